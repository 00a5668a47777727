/**
 * Breaks partitions on purpose. Loaded before the broker's own first module (`node --import`), in the process and in each of
 * its threads: a batch that holds one of these words does harm where it arrives. The broker itself knows nothing of this.
 */
import { Partition } from '../../src/actors/partition/partition.ts'
import { faultWords } from './fault-words.ts'

const receive = Partition.prototype.receive
const hoard: unknown[] = []

/** As real leaks do: some in each turn, until the heap is full. */
function eat (): void {
  for (let i = 0; i < 2000; i++) hoard.push(new Array(1000).fill(hoard.length))
  setImmediate(eat)
}

Partition.prototype.receive = function (message, out, now) {
  if (message.kind === 'append') {
    const { records } = message
    const text = Buffer.from(records.buffer, records.byteOffset, records.length)
    if (text.includes(faultWords.throw)) throw new Error('told to throw')
    if (text.includes(faultWords.hang)) for (;;);
    if (text.includes(faultWords.heap)) return eat()
  }
  receive.call(this, message, out, now)
}
