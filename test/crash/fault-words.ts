/** What a batch must hold to do harm where faults.ts is loaded. */
export const faultWords = { throw: 'fault!throw', hang: 'fault!hang', heap: 'fault!heap' } as const
