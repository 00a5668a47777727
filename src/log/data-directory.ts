/** (Stand-in until the real one lands.) */
import { mkdir } from 'node:fs/promises'
export class DataDirectory {
  readonly nodeNumber = 1
  readonly clusterId = 'test-cluster-id-0000000'
  readonly bootId = 'boot'
  static async open (path: string, _node: string): Promise<DataDirectory> { await mkdir(path, { recursive: true }); return new DataDirectory() }
  async close (): Promise<void> {}
}
