/** What a batch must hold to do harm where faults.ts is loaded. */
export const faultWords = { throw: 'fault!throw', hang: 'fault!hang', heap: 'fault!heap' } as const

/** Node's own flags that load faults.ts in the process and its threads. */
export const faultFlags: readonly string[] = ['--import', new URL('faults.ts', import.meta.url).href]
