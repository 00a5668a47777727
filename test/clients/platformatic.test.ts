import { testInProcess } from './in-process.ts'
import { platformatic } from './platformatic.ts'

testInProcess(platformatic)
