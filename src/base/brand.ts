/** Number types that share a representation but must not be mixed up. No cost at run time. */
declare const brand: unique symbol
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }
