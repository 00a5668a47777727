/** All clients, in the order they are tested. */
import type { Client } from './client.ts'
import { franz } from './franz.ts'
import { java } from './java.ts'
import { kafkaJs } from './kafkajs.ts'
import { kcat } from './kcat.ts'
import { platformatic } from './platformatic.ts'
import { pythonClients } from './python.ts'
import { ringmq } from './ringmq.ts'

export const clients: readonly Client[] = [ringmq, kcat, kafkaJs, platformatic, franz, java, ...pythonClients]
