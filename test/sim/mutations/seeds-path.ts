import { join } from 'node:path'

/** The seeds that find the planted bugs. */
export const seedsPath = join(import.meta.dirname, 'seeds.txt')
