/** A scan of a segment as a job for another thread: what runtime/offload.ts is told to call. */
import { RealDisk } from './log/disk.ts'
import { scanFile, type ScanRequest, type ScanResult } from './log/scan.ts'

export async function scan (request: ScanRequest): Promise<ScanResult> {
  return await scanFile(new RealDisk(), request)
}
