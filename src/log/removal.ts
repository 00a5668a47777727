/**
 * How a log's folder is removed: renamed first, durably, then emptied. A removal that stops in between leaves a folder that no log is
 * ever opened from, never a log with a hole in it, which a partition that comes back here would take for its own.
 */
import { dirname, join } from 'node:path'
import { type Disk, isMissing } from './disk.ts'

const ending = '.gone'

/** The log must not be open. When this returns its removal survives a crash; a missing folder is no error. */
export async function removeLogFolder (disk: Disk, directory: string): Promise<void> {
  const gone = `${directory}${ending}`
  // What an earlier removal left would be in the way of the rename.
  await disk.removeFolder(gone)
  try {
    await disk.rename(directory, gone)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
  await disk.syncFolder(dirname(directory))
  await disk.removeFolder(gone)
}

/** Ends the removals that the last process did not. Before any log is opened. */
export async function endRemovals (disk: Disk, topicsDirectory: string): Promise<void> {
  for (const name of await disk.list(topicsDirectory)) if (name.endsWith(ending)) await disk.removeFolder(join(topicsDirectory, name))
}
