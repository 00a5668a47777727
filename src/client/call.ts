/** Any API of the protocol's own definitions over the library's connections: for what the library does not have, or reads wrongly. */
import { createAPI, type Connection, type Reader as LibraryReader, Writer as LibraryWriter } from '@platformatic/kafka'
import type { AnyApi, RequestToWrite, ResponseToRead } from '../protocol/api.ts'
import { Reader } from '../protocol/reader.ts'
import { Writer } from '../protocol/writer.ts'

/** @param version  one that the broker offers: it ends the connection at any other */
export async function call<A extends AnyApi> (connection: Connection, api: A, version: number, request: RequestToWrite<A>): Promise<ResponseToRead<A>> {
  const codec = api.codec(version)
  if (codec === undefined) throw new RangeError(`${api.name} has no version ${version}`)
  const create = (): LibraryWriter => {
    const writer = new Writer(1024)
    codec.writeRequest(writer, request)
    return LibraryWriter.create().append(Buffer.concat(writer.finish()))
  }
  const parse = (_correlation: number, _key: number, _version: number, reader: LibraryReader): ResponseToRead<A> => {
    const bytes = reader.buffer.slice(reader.position, reader.length)
    return codec.readResponse(new Reader(bytes)) as ResponseToRead<A>
  }
  return await createAPI<[], ResponseToRead<A>>(api.key, version, create, parse, codec.flexible, codec.flexible && !api.plainResponseHeader).async(connection)
}
