/**
 * Writes what is made from the broker's table of settings: `apps/broker/config.schema.json`, and the
 * tables between `## Settings` and `## Settings of a topic` in docs/configuration.md, one for each
 * section in the order of the table. Run it after a change of the table; tests hold both equal.
 *
 *     npx tsc -b apps/broker && node tools/config-docs.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { format } from 'prettier'
import { createConfigSchema } from '../apps/broker/dist/config/config-schema.js'
import { configPaths, configTable } from '../apps/broker/dist/config/config-table.js'
import { expectationOf, formatConfigValue } from '../apps/broker/dist/config/config-values.js'

const SCHEMA = new URL('../apps/broker/config.schema.json', import.meta.url)
const PAGE = new URL('../docs/configuration.md', import.meta.url)

/** Headings of the tables whose name is not the section's with a capital. */
const titles = {
  '': 'General',
  native: 'Listeners',
  topics: 'New topics',
  tls: 'TLS',
  auth: 'Login',
}
/** Sections that stand in the table of another. */
const hosts = { http: 'native', kafka: 'native', amqp: 'native', websocket: 'native' }

const sectionOf = (path) => {
  const name = path.includes('.') ? path.slice(0, path.indexOf('.')) : ''
  return hosts[name] ?? name
}

const capital = (name) => name.charAt(0).toUpperCase() + name.slice(1)

const rowOf = (path) => {
  const key = configTable[path]
  const shown = formatConfigValue(key, key.default) || '""'
  return `| \`${path}\` | \`${shown}\` | ${expectationOf(key)} | ${key.description} |`
}

const tables = () => {
  const sections = new Map()
  for (const path of configPaths) {
    const name = sectionOf(path)
    sections.set(name, [...(sections.get(name) ?? []), rowOf(path)])
  }
  return [...sections].map(([name, rows]) =>
    [
      `### ${titles[name] ?? capital(name)}`,
      '',
      '| Setting | Default | Expected | Meaning |',
      '| --- | --- | --- | --- |',
      ...rows,
      '',
    ].join('\n'),
  )
}

const write = async (url, text, parser) =>
  writeFileSync(
    url,
    await format(text, { parser, semi: false, singleQuote: true, printWidth: 100 }),
  )

const page = readFileSync(PAGE, 'utf8')
const start = page.indexOf('### ', page.indexOf('## Settings\n'))
const end = page.indexOf('## Settings of a topic')
await write(PAGE, page.slice(0, start) + tables().join('\n') + '\n' + page.slice(end), 'markdown')
await write(SCHEMA, JSON.stringify(createConfigSchema()), 'json')
