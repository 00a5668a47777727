/**
 * The language in which messages are described: fields with a type, the versions that have them, and a default.
 * The types of requests and responses follow from the description.
 *
 * ```ts
 * const topic = {
 *   name: string().until(12).or(''),        // versions 0 to 12; '' when read from, or left out for, a later one
 *   topicId: uuid().since(13).or(zeroUuid),
 *   rack: string().nullable(),              // null in every version; may be left out: null
 *   partitions: array({ index: int32() })
 * }
 * ```
 * A field that a version lacks is read as its default, so that code above never asks for the version to find a field,
 * and is dropped when written.
 */

/** The UUID that means "none". */
export const zeroUuid = '0'.repeat(32)

export type Type =
  | { readonly kind: 'bool' | 'int8' | 'int16' | 'uint16' | 'int32' | 'int64' | 'saturatedInt64' | 'uuid' | 'string' | 'byteString' }
  | { readonly kind: 'array', readonly element: AnyField }
  | { readonly kind: 'struct', readonly fields: Fields }

export type AnyField = Field<any, any, boolean>
export type Fields = Readonly<Record<string, AnyField>>

interface Properties {
  readonly type: Type
  readonly first: number
  readonly last: number
  readonly nullableFirst: number
  readonly nullableLast: number
  readonly tag: number | undefined
  readonly fallback: unknown
}

/**
 * @typeParam Read      what a reader gives
 * @typeParam Write     what a writer takes
 * @typeParam Optional  whether it may be left out when written
 */
export class Field<Read, Write = Read, Optional extends boolean = false> implements Properties {
  declare readonly types: { read: Read, write: Write, optional: Optional }
  readonly type: Type
  /** First and last version with this field, both inclusive. */
  readonly first: number
  readonly last: number
  /** First and last version in which null can be said, both inclusive. */
  readonly nullableFirst: number
  readonly nullableLast: number
  /** The number of a tagged field, one that is written only where it differs from its default. */
  readonly tag: number | undefined
  /** What stands for a field that is not there. */
  readonly fallback: unknown

  constructor (properties: Properties) {
    this.type = properties.type
    this.first = properties.first
    this.last = properties.last
    this.nullableFirst = properties.nullableFirst
    this.nullableLast = properties.nullableLast
    this.tag = properties.tag
    this.fallback = properties.fallback
  }

  /** The first version that has the field. */
  since (version: number): Field<Read, Write, Optional> {
    return new Field({ ...this, first: version })
  }

  /** The last version that has the field. */
  until (version: number): Field<Read, Write, Optional> {
    return new Field({ ...this, last: version })
  }

  /** May be null in these versions, and is null by default. Written as empty in a version that cannot say null. */
  nullable (first = 0, last = Infinity): Field<Read | null, Write | null, true> {
    return new Field({ ...this, nullableFirst: first, nullableLast: last, fallback: null })
  }

  /** The default. */
  or (fallback: Write): Field<Read, Write, true> {
    return new Field({ ...this, fallback })
  }

  /** A tagged field with a default of its own: an empty array, 0, false. */
  tagged (tag: number): Field<Read, Write, true> {
    return new Field({ ...this, tag })
  }

  has (version: number): boolean {
    return version >= this.first && version <= this.last
  }

  isNullable (version: number): boolean {
    return version >= this.nullableFirst && version <= this.nullableLast
  }
}

type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K]['types']['optional'] extends true ? K : never }[keyof F]

/** What a reader gives for these fields: all of them. */
export type ReadOf<F extends Fields> = { -readonly [K in keyof F]: F[K]['types']['read'] }

/** What a writer takes for these fields: those with a default may be left out. */
export type WriteOf<F extends Fields> =
  { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: F[K]['types']['write'] } &
  { readonly [K in OptionalKeys<F>]?: F[K]['types']['write'] | undefined }

function field<Read, Write = Read> (type: Type, fallback: unknown): Field<Read, Write> {
  return new Field({ type, first: 0, last: Infinity, nullableFirst: Infinity, nullableLast: -1, tag: undefined, fallback })
}

export const bool = (): Field<boolean> => field({ kind: 'bool' }, false)
export const int8 = (): Field<number> => field({ kind: 'int8' }, 0)
export const int16 = (): Field<number> => field({ kind: 'int16' }, 0)
/** A port. */
export const uint16 = (): Field<number> => field({ kind: 'uint16' }, 0)
export const int32 = (): Field<number> => field({ kind: 'int32' }, 0)
/** A safe integer; anything beyond is a ProtocolError when read. */
export const int64 = (): Field<number> => field({ kind: 'int64' }, 0)
/** An int64 that users choose, such as a timestamp to look for: what lies beyond the safe integers is read as the nearest of them. */
export const saturatedInt64 = (): Field<number> => field({ kind: 'saturatedInt64' }, 0)
/** 32 hex digits. */
export const uuid = (): Field<string> => field({ kind: 'uuid' }, zeroUuid)
/** At most 32767 bytes of UTF-8. */
export const string = (): Field<string> => field({ kind: 'string' }, '')
/** Bytes, among them record batches: a view when read, taken by reference when written and large. */
export const byteString = (): Field<Uint8Array> => field({ kind: 'byteString' }, new Uint8Array(0))

export const struct = <const F extends Fields>(fields: F): Field<ReadOf<F>, WriteOf<F>> => field({ kind: 'struct', fields }, null)

export function array<const F extends Fields> (element: F): Field<Array<ReadOf<F>>, ReadonlyArray<WriteOf<F>>>
export function array<Read, Write> (element: Field<Read, Write, boolean>): Field<Read[], readonly Write[]>
export function array (element: AnyField | Fields): AnyField {
  return field({ kind: 'array', element: element instanceof Field ? element : struct(element) }, [])
}
