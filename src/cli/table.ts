/** Tables and counts as all commands print them. */
import CliTable from 'cli-table3'

export const newTable = (head: string[]): InstanceType<typeof CliTable> => new CliTable({ head, style: { head: [], border: [], compact: true } })

export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
