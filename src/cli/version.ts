import { readFileSync } from 'node:fs'

export const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

/** How to call this program again: from a checkout through npm. */
export const programName = import.meta.filename.endsWith('.ts') ? 'npm run -s ringmq --' : 'ringmq'
