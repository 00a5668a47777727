/**
 * The broker's data folder as a whole: whose it is, that nobody else uses it, and what the last stop was like.
 *
 * ```
 * data_dir/lock              socket of the process that holds it
 * data_dir/meta/identity     cluster id, directory UUID, node and member, who founded the cluster: a checked file of MessagePack
 * data_dir/meta/running      boot id of the present run; removed by a clean stop
 * data_dir/meta/hard-state   Raft terms and votes
 * data_dir/meta/reserve      space given up when the disk is full
 * data_dir/topics/<topic id>-<partition>/
 * ```
 */
import { join } from 'node:path'
import { assert } from '../base/assert.ts'
import { type Chance, uuidHex } from '../base/prng.ts'
import type { Founder, PeerAddress } from '../base/address.ts'
import { decode, encode } from '../base/msgpack.ts'
import type { PartitionIndex, TopicId } from '../base/ids.ts'
import { readChecked, readWhole, syncFile, writeAt, writeChecked } from './checked-file.ts'
import type { Disk } from './disk.ts'
import { type FolderLock, lockFolder } from './folder-lock.ts'
import { endRemovals } from './removal.ts'

const formatVersion = 1
/**
 * Of an identity that has founders. A program that knows only version 1 would run a member of a cluster as a broker alone, so
 * it must not be able to read it; that of a broker alone stays as it was.
 */
const clusterFormatVersion = 2
const reserveBytes = 16 << 20
const bootIdPath = '/proc/sys/kernel/random/boot_id'

export interface DirectoryIdentity {
  /** Made when the folder was: a voter is (node, directory). 32 hex digits. */
  readonly directoryId: string
  /** undefined until the broker has joined a cluster. */
  readonly clusterId: string | undefined
  /** Permanent int32 id in the cluster; undefined until it has registered. */
  readonly nodeNumber: number | undefined
  /** What this folder votes as; given together with the node's number. */
  readonly member: number | undefined
  /** The first voters of the cluster's metadata group; none in a cluster of one that nobody can join. */
  readonly founders: readonly Founder[]
  /** Where other members were when that was last heard. */
  readonly peers: readonly PeerAddress[]
}

/** What belongs to a place in a cluster of several. */
export type ClusterPlace = Pick<DirectoryIdentity, 'founders' | 'peers'> & { readonly member: number }

export interface DataDirectoryOptions {
  readonly path: string
  readonly disk: Disk
  readonly chance: Chance
  /** False for a disk in memory, which nobody else can see. */
  readonly lock: boolean
  /** In place of what the system says of this boot. */
  readonly bootId?: string
}

export function partitionFolder (dataDirectory: string, topicId: TopicId, partition: PartitionIndex): string {
  return join(dataDirectory, 'topics', `${topicId}-${partition}`)
}

export class DataDirectory {
  readonly path: string
  readonly #disk: Disk
  readonly #lock: FolderLock | undefined
  #identity: DirectoryIdentity
  /** Ends when the last write of the identity that was asked for has: there is one file to write it beside. */
  #written: Promise<void> = Promise.resolve()
  /** Names this boot of the machine; undefined where the system does not tell. */
  readonly bootId: string | undefined
  /** The last run stopped in order, or there was none. */
  readonly cleanStop: boolean
  /** The machine was not restarted since the last run. */
  readonly sameBoot: boolean

  private constructor (
    options: DataDirectoryOptions, lock: FolderLock | undefined, identity: DirectoryIdentity, bootId: string | undefined, lastBootId: string | undefined
  ) {
    this.path = options.path
    this.#disk = options.disk
    this.#lock = lock
    this.#identity = identity
    this.bootId = bootId
    this.cleanStop = lastBootId === undefined
    this.sameBoot = lastBootId !== undefined && lastBootId === bootId
  }

  /**
   * Locks the folder, made if it is missing, and reads or makes its identity.
   *
   * @throws FolderLockedError  another broker uses it
   * @throws Error  its identity file is damaged
   */
  static async open (options: DataDirectoryOptions): Promise<DataDirectory> {
    const { path, disk, chance } = options
    const meta = join(path, 'meta')
    await disk.makeFolder(meta)
    await disk.makeFolder(join(path, 'topics'))
    const lock = options.lock ? await lockFolder(path, String((await disk.stat(path))?.id), file => disk.remove(file)) : undefined
    try {
      await endRemovals(disk, join(path, 'topics'))
      const identityPath = join(meta, 'identity')
      const content = await readChecked(disk, identityPath, clusterFormatVersion)
      let identity: DirectoryIdentity
      if (content !== undefined) identity = identityOf(decode<StoredIdentity>(content))
      else if (await disk.stat(identityPath) !== undefined) throw new Error(`${identityPath} is damaged: restore it, or start with an empty data_dir`)
      else {
        identity = identityOf({ directoryId: uuidHex(chance) })
        await writeChecked(disk, identityPath, formatVersion, encode(identity))
        await disk.syncFolder(path)
      }
      const text = new TextDecoder()
      const running = await readChecked(disk, join(meta, 'running'), formatVersion)
      const bootId = options.bootId ?? (options.lock ? await readBootId(disk) : undefined)
      const directory = new DataDirectory(options, lock, identity, bootId, running === undefined ? undefined : text.decode(running))
      // After an unclean stop of the machine the mark of that boot stays: this process may be killed before its replicas have caught up, and
      // the next one must doubt them as well.
      if (directory.cleanStop || directory.sameBoot) await writeChecked(disk, join(meta, 'running'), formatVersion, new TextEncoder().encode(bootId ?? ''))
      return directory
    } catch (error) {
      await lock?.release()
      throw error
    }
  }

  get identity (): DirectoryIdentity {
    return this.#identity
  }

  get metaFolder (): string {
    return join(this.path, 'meta')
  }

  /** Notes durably which cluster and node the folder belongs to. That is for good: a folder never changes its member. */
  async identify (clusterId: string, nodeNumber: number, place: ClusterPlace = { member: nodeNumber, founders: [], peers: [] }): Promise<void> {
    const { clusterId: before, member } = this.#identity
    assert(before === undefined || (before === clusterId && member === place.member), 'a data folder belongs to one member of one cluster')
    await this.#write({ clusterId, nodeNumber, ...place })
  }

  /** Notes where other members are, for the next start. A list that is the same costs nothing. */
  async rememberPeers (peers: readonly PeerAddress[]): Promise<void> {
    const sorted = peers.toSorted((a, b) => a.member - b.member).map(({ member, nodeId, host, port }) => ({ member, nodeId, host, port }))
    await this.#write({ peers: sorted })
  }

  /** Fills the reserve file, if it is missing: with real bytes, so that the space is taken. @throws ENOSPC */
  async fillReserve (): Promise<void> {
    const path = join(this.metaFolder, 'reserve')
    if ((await this.#disk.stat(path))?.size === reserveBytes) return
    const file = await this.#disk.open(path, 'write')
    try {
      const piece = new Uint8Array(1 << 20).fill(1)
      for (let at = 0; at < reserveBytes; at += piece.length) await writeAt(file, [piece], at, false)
      await syncFile(file)
    } finally {
      await file.close()
    }
  }

  async #write (change: Partial<DirectoryIdentity>): Promise<void> {
    const write = async (): Promise<void> => {
      const identity = { ...this.#identity, ...change }
      if (JSON.stringify(identity) === JSON.stringify(this.#identity)) return
      const version = identity.founders.length > 0 ? clusterFormatVersion : formatVersion
      await writeChecked(this.#disk, join(this.metaFolder, 'identity'), version, encode(identity))
      this.#identity = identity
    }
    const written = this.#written.then(write)
    this.#written = written.catch(() => {})
    await written
  }

  /** @param clean  everything was synced and every log closed */
  async close (clean: boolean): Promise<void> {
    if (clean) {
      await this.#disk.remove(join(this.metaFolder, 'running'))
      await this.#disk.syncFolder(this.metaFolder)
    }
    await this.#lock?.release()
  }
}

/** As it lies on the disk: an older program, and a folder that belongs to no cluster yet, wrote less. */
type StoredIdentity = { readonly [Name in keyof DirectoryIdentity]?: DirectoryIdentity[Name] } & Pick<DirectoryIdentity, 'directoryId'>

function identityOf ({ directoryId, clusterId, nodeNumber, member = nodeNumber, founders = [], peers = [] }: StoredIdentity): DirectoryIdentity {
  return { directoryId, clusterId, nodeNumber, member, founders, peers }
}

async function readBootId (disk: Disk): Promise<string | undefined> {
  // A file of the kernel says that it is empty, so its size is no guide.
  const bytes = await readWhole(disk, bootIdPath, 64).catch(() => undefined)
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes).trim()
}

/** Gives the reserve up, so that votes go on while the disk is full. Any thread may: the file is gone, whoever removes it. */
export async function spendReserve (disk: Disk, metaFolder: string): Promise<void> {
  await disk.remove(join(metaFolder, 'reserve'))
  await disk.syncFolder(metaFolder)
}
