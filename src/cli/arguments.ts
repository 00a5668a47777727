/**
 * Lets the original's spellings through: flags with one dash (`-topic x`, `-topic=x`), `-cmd NAME` instead of a subcommand,
 * no subcommand at all with broker flags, and a client configuration that names the command.
 */
export interface KnownFlags {
  /** Long names without dashes. */
  readonly withValue: ReadonlySet<string>
  readonly switches: ReadonlySet<string>
  /** Flags that only a broker has: they stand for the `broker` command. */
  readonly brokerOnly: ReadonlySet<string>
  /** Commands that consist of others, which follow as the next word. */
  readonly groups?: ReadonlyMap<string, ReadonlySet<string>>
}

export type FileKind = { readonly kind: 'client', readonly command: string } | { readonly kind: 'broker' }

/**
 * Returns the arguments as `COMMAND --flag value …`; unchanged where no command can be made out.
 *
 * @param fileKind  says whether a --config file is a broker's or a client's, and which command that names
 */
export function normalizeArguments (args: readonly string[], commands: ReadonlySet<string>, known: KnownFlags, fileKind: (path: string) => FileKind): string[] {
  const rest: string[] = []
  let command: string | undefined
  let fromFlag: string | undefined
  let file: string | undefined
  let isBroker = false
  let hasFlags = false
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    if (arg === '--') {
      rest.push(...args.slice(i))
      break
    }
    const match = /^--?([a-z][a-z0-9-]+)(?:=(.*))?$/is.exec(arg)
    if (match === null) {
      if (command === undefined && commands.has(arg)) command = arg
      else rest.push(arg)
      continue
    }
    const name = match[1]!
    const takesValue = known.withValue.has(name) || name === 'cmd'
    let value = match[2]
    if (value === undefined && takesValue && i + 1 < args.length) value = args[++i]!
    hasFlags ||= takesValue || known.switches.has(name)
    isBroker ||= known.brokerOnly.has(name)
    if (name === 'cmd') fromFlag = value ?? ''
    else rest.push(value === undefined ? `--${name}` : `--${name}=${value}`)
    if (name === 'config') file = value
  }
  command ??= fromFlag
  if (command === undefined && isBroker) command = 'broker'
  if (command === undefined && file !== undefined) {
    const found = fileKind(file)
    command = found.kind === 'broker' ? 'broker' : found.command
  }
  if (command === undefined || command === '') return rest
  const inner = known.groups?.get(command)
  const at = inner === undefined ? -1 : rest.findIndex(word => inner.has(word))
  return at < 0 ? [command, ...rest] : [command, rest[at]!, ...rest.toSpliced(at, 1)]
}
