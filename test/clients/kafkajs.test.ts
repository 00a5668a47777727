import { testInProcess } from './in-process.ts'
import { kafkaJs } from './kafkajs.ts'

testInProcess(kafkaJs)
