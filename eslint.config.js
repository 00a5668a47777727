import neostandard from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: ['dist', 'data', 'node_modules', '.tap', '.peers', 'bench/out'] }),
  // An `as const` object and a type of the same name stand in for an enum.
  { rules: { 'no-console': 'off', '@typescript-eslint/no-redeclare': 'off' } }
]
