/** Three NATS servers with JetStream: a stream of three copies is a Raft group of theirs. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../harness.ts'
import { natsRequest } from '../loads/nats-append.ts'
import { natsProgram } from '../peers/nats.ts'
import { Server } from '../process-stats.ts'
import { dataFolder } from '../subjects.ts'
import { type ClusterSubject, nodes } from './subject.ts'

/** @throws where Go cannot fetch and build it */
export async function startNatsCluster (): Promise<ClusterSubject> {
  const program = await natsProgram()
  const folder = dataFolder('cluster-nats')
  rmSync(folder, { recursive: true, force: true })
  const [ports, clusterPorts]: [number[], number[]] = [[], []]
  for (let i = 0; i < nodes; i++) {
    ports.push(await freePort())
    clusterPorts.push(await freePort())
  }
  const servers = ports.map((_, i) => {
    const dataDir = join(folder, `node-${i + 1}`)
    mkdirSync(dataDir, { recursive: true })
    const file = join(dataDir, 'nats.conf')
    writeFileSync(file, [
      `server_name: n${i + 1}`, `listen: "127.0.0.1:${ports[i]}"`, `jetstream { store_dir: "${dataDir}" }`,
      `cluster { name: bench, listen: "127.0.0.1:${clusterPorts[i]}", routes: [${clusterPorts.map(port => `"nats://127.0.0.1:${port}"`).join(', ')}] }`, ''
    ].join('\n'))
    return Server.start({ name: `nats ${i + 1}`, command: program, args: ['-c', file], logFile: join(folder, `node-${i + 1}.log`) }, async () => {
      const info = await natsRequest(ports[i]!, '$JS.API.INFO', '')
      return info.includes('"memory"') && !info.includes('"error"')
    })
  })
  const running = await Promise.all(servers)
  const notHere = (): never => { throw new Error('only its throughput is measured') }
  return {
    name: 'nats',
    addresses: ports.map(port => `127.0.0.1:${port}`),
    pidOf: index => running[index]!.pid,
    kill: notHere,
    pause: notHere,
    resume: notHere,
    stop: notHere,
    start: notHere,
    cutOff: undefined,
    heal: async () => {},
    close: async () => { await Promise.all(running.map(async server => await server.stop())) }
  }
}
