/** What a thread of the offload pool runs: one job at a time. */
import type { OffloadJob } from './offload.ts'

export default async function run ({ moduleUrl, exportName, data }: OffloadJob): Promise<unknown> {
  const module = await import(moduleUrl) as Record<string, ((data: unknown) => unknown) | undefined>
  const work = module[exportName]
  if (work === undefined) throw new Error(`${moduleUrl} has no export ${exportName}`)
  return await work(data)
}
