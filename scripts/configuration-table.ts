/** Writes the table of settings into docs/configuration.md, between its two marks, from the settings themselves. */
import { readFileSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { settingFlag, settingNames, settings, settingVariable } from '../src/base/config.ts'
import { withoutEffect } from '../src/base/setting.ts'

const page = 'docs/configuration.md'
const [begin, end] = ['<!-- settings: begin (npm run docs:configuration writes this) -->', '<!-- settings: end -->']

export function settingsTable (): string {
  const rows = settingNames.map(name => {
    const { key, fallback, allowed, meaning, usedFrom } = settings[name]
    const note = usedFrom === undefined ? '' : ` *Accepted; ${withoutEffect(usedFrom)}.*`
    return `| \`${key}\` | ${fallback === '' ? '(empty)' : `\`${fallback}\``} | ${meaning}.${note} | ${allowed} | \`${settingFlag(name)}\` \`${settingVariable(name)}\` |`
  })
  return ['| key | default | meaning | allowed | flag, variable |', '|---|---|---|---|---|', ...rows].join('\n')
}

/** Returns the page's text with the present table in it. */
export function pageWithTable (text: string): string {
  const [before, after] = [text.indexOf(begin), text.indexOf(end)]
  if (before < 0 || after < before) throw new Error(`${page} has lost the marks around its table`)
  return text.slice(0, before + begin.length) + '\n' + settingsTable() + '\n' + text.slice(after)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(page, pageWithTable(readFileSync(page, 'utf8')))
  console.log(`${page} holds ${settingNames.length} settings`)
}
