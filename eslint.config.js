import neostandard, { plugins } from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist', 'data', 'node_modules', '.tap', '.peers', 'bench/out'] }),
  // An `as const` object and a type of the same name stand in for an enum.
  { rules: { 'no-console': 'off', '@typescript-eslint/no-redeclare': 'off' } },
  {
    // An import of types alone must vanish when types are stripped: `import { type X }` would still load the module,
    // and with it, in every thread, whatever that one imports.
    files: ['**/*.ts'],
    plugins: { '@typescript-eslint': plugins['typescript-eslint'].plugin },
    rules: { '@typescript-eslint/no-import-type-side-effects': 'error' }
  }
]
