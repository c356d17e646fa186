import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { settingFlags } from '../../src/cli/program.ts'
import { type Config, type ConfigSources, loadConfig } from '../../src/config/config.ts'
import { createConfigSchema } from '../../src/config/config-schema.ts'
import { configPaths, configTable, environmentNameOf } from '../../src/config/config-table.ts'
import {
  expectationOf,
  formatConfigValue,
  parseConfigValue,
} from '../../src/config/config-values.ts'
import { suggest } from '../../src/config/suggestion.ts'
import { parseBytes, parseDuration } from '../../src/config/units.ts'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-config-'))
})

afterEach(() => rmSync(directory, { recursive: true }))

const write = (text: string): string => {
  const file = join(directory, 'millrace.yaml')
  writeFileSync(file, text)
  return file
}

const load = (sources: Partial<ConfigSources>): Promise<Config> =>
  loadConfig({ environment: {}, ...sources })

/** The problems without the directory of this run. */
const problemsOf = async (text: string, environment = {}): Promise<readonly string[]> => {
  const file = write(text)
  try {
    await load({ file, environment })
  } catch (error) {
    const { problems } = error as { problems: readonly string[] }
    return problems.map((problem) => problem.replace(`${directory}/`, ''))
  }
  return []
}

it('lets flags win over the environment, over the file, over the default', async () => {
  const file = write('native:\n  port: 1\nhttp:\n  port: 2\nlog:\n  level: warn\n')
  const environment = { MILLRACE_NATIVE__PORT: '3', MILLRACE_HTTP__PORT: '4' }
  const flags = [{ path: 'native.port', flag: '--native-port', value: '5' }] as const
  const { values, settings } = await load({ file, environment, flags })
  expect([values['native.port'], values['http.port'], values['log.level']]).toEqual([5, 4, 'warn'])
  expect(settings.get('native.port')?.source).toBe('--native-port')
  expect(settings.get('http.port')?.source).toBe('MILLRACE_HTTP__PORT')
  expect(settings.get('log.level')?.source).toMatch(/millrace\.yaml:6:10$/)
  expect(settings.get('host')?.source).toBe('default')
})

it('reads units, variables and JSON', async () => {
  const file = write(
    '{"storage": {"checkpointBytes": "1.5gb"}, "topics": {"segmentTime": "36h"},' +
      ' "dataDir": "${BASE:-/data}/m", "native": {"port": "${PORT}"}}',
  )
  const { values } = await load({ file, environment: { PORT: '9' } })
  expect(values['storage.checkpointBytes']).toBe(1.5 * 1024 ** 3)
  expect(values['topics.segmentTime']).toBe(36 * 3_600_000)
  expect(values.dataDir).toBe('/data/m')
  expect(values['native.port']).toBe(9)
})

it('takes off for a port, with and without quotes', async () => {
  const file = write('http:\n  port: off\nnative:\n  port: "off"\n')
  const { values } = await load({ file })
  expect([values['http.port'], values['native.port']]).toEqual(['off', 'off'])
})

it('takes an empty file for no settings', async () => {
  expect(await problemsOf('')).toEqual([])
  expect(await problemsOf('# nothing yet\n')).toEqual([])
})

it('refuses unknown settings with line, column and the closest one', async () => {
  expect(await problemsOf('natve:\n  port: 1\nlog:\n  lvl: info\nhots: x\n')).toEqual([
    "millrace.yaml:2:9: unknown setting 'natve.port': did you mean 'native.port'?",
    "millrace.yaml:4:8: unknown setting 'log.lvl': did you mean 'log.level'?",
    "millrace.yaml:5:7: unknown setting 'hots': did you mean 'host'?",
  ])
})

it('says what it expected where a value is wrong', async () => {
  expect(await problemsOf('limits:\n  frameBytes: 2mb\n  connections: many\n')).toEqual([
    'millrace.yaml:2:15: \'limits.frameBytes\' is "2mb": expected a size from 8kb to 1mb, such as 256kb',
    'millrace.yaml:3:16: \'limits.connections\' is "many": expected a whole number from 1 to 1000000',
  ])
  expect(await problemsOf('native:\n  port:\n')).toEqual([
    "millrace.yaml:2:3: 'native.port' is empty: expected a port from 0 to 65535, or off",
  ])
})

it('refuses lists, broken YAML and variables that are not set', async () => {
  expect(await problemsOf('- a\n- b\n')).toEqual([
    'millrace.yaml:1:1: the file must be a map of settings',
  ])
  expect(await problemsOf('native: [1\n')).toEqual([expect.stringMatching(/^millrace\.yaml:2:1: /)])
  expect(await problemsOf('dataDir: ${NOT_SET}\n')).toEqual([
    expect.stringMatching(/^millrace\.yaml:1:10: the environment variable NOT_SET is not set/),
  ])
})

it('says which file it cannot read', async () => {
  await expect(load({ file: join(directory, 'none.yaml') })).rejects.toThrow(/no such file/)
})

it('refuses a variable that is nearly a setting, and leaves others alone', async () => {
  const harmless = { MILLRACE_URL: 'x', MILLRACE_PORT_7420_TCP: 'tcp://1.2.3.4:7420' }
  await expect(load({ environment: harmless })).resolves.toBeDefined()
  await expect(load({ environment: { MILLRACE_NATIV__PORT: '1' } })).rejects.toThrow(
    "MILLRACE_NATIV__PORT: unknown setting 'nativ.port': did you mean 'native.port'?",
  )
})

it('names every setting for the environment', () => {
  expect(environmentNameOf('topics.segmentBytes')).toBe('MILLRACE_TOPICS__SEGMENT_BYTES')
  expect(environmentNameOf('dataDir')).toBe('MILLRACE_DATA_DIR')
})

it.each(configPaths)('reads back what it shows of %s, and keeps its bounds', (path) => {
  const key = configTable[path]
  const shown = formatConfigValue(key, key.default)
  expect(parseConfigValue(key, shown)).toEqual({ ok: true, value: key.default })
  if (!('min' in key)) return
  expect(parseConfigValue(key, key.min).ok).toBe(true)
  expect(parseConfigValue(key, key.min - 1).ok).toBe(false)
  expect(parseConfigValue(key, key.max).ok).toBe(true)
  expect(parseConfigValue(key, key.max + 1).ok).toBe(false)
})

it('knows sizes and times, and nothing that only looks like them', () => {
  expect(['1', '1b', '2kb', '2KiB', '3mb', '1.5gb', '1tb'].map(parseBytes)).toEqual([
    1, 1, 2048, 2048, 3145728, 1610612736, 1099511627776,
  ])
  expect(['5', '5ms', '5s', '5m', '5h', '5d'].map(parseDuration)).toEqual([
    5, 5, 5_000, 300_000, 18_000_000, 432_000_000,
  ])
  for (const text of ['', 'mb', '-1mb', '1 m b', '1xb', '0x10', '1e3', 'Infinity', '0.3b']) {
    expect(parseBytes(text)).toBeUndefined()
  }
})

it('suggests only what is close', () => {
  expect(suggest('nativ.port', configPaths)).toBe('native.port')
  expect(suggest('port', configPaths)).toMatch(/\.port$/)
  expect(suggest('completely.different', configPaths)).toBeUndefined()
  expect(suggest('x'.repeat(10_000), configPaths)).toBeUndefined()
})

describe('the published schema', () => {
  const published = join(__dirname, '../../config.schema.json')
  const validate = new Ajv({ strictTypes: false }).compile(createConfigSchema())

  it('is the one the table makes', () => {
    // `node tools/…` is not needed: write JSON.stringify(createConfigSchema(), null, 2) there.
    const text = readFileSync(published, 'utf8')
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(createConfigSchema())))
  })

  it.each([
    [{ native: { port: 1 }, storage: { groupBytes: '4mb' } }, true],
    [{ native: { port: '${PORT}' } }, true],
    [{ http: { port: 'off' } }, true],
    [{ native: { prt: 1 } }, false],
    [{ log: { level: 'loud' } }, false],
    [{ limits: { connections: 0 } }, false],
    [{ topics: { segmentTime: 'soon' } }, false],
    [{ topics: { segmentBytes: '4k' } }, false],
  ])('agrees with the broker about %j', async (content, isGood) => {
    expect(validate(content)).toBe(isGood)
    const file = write(JSON.stringify(content))
    const isAccepted = await load({ file, environment: { PORT: '1' } }).then(
      () => true,
      () => false,
    )
    expect(isAccepted).toBe(isGood)
  })
})

describe('docs/configuration.md', () => {
  const document = readFileSync(join(__dirname, '../../../../docs/configuration.md'), 'utf8')
  const settings = document.slice(
    document.indexOf('## Settings\n'),
    document.indexOf('## Settings of a topic'),
  )
  const rows = new Map(
    [...settings.matchAll(/^\| `([\w.]+)`\s*\| `([^`]*)`\s*\| (.*?)\s*\| (.*?)\s*\|$/gm)].map(
      ([, path, shown, expected, text]) => [path as string, [shown, expected, text]] as const,
    ),
  )

  it('lists every flag that is a setting', () => {
    for (const [flag] of settingFlags) expect(document).toContain(`\`${flag}\``)
  })

  it('lists every setting with its default, and nothing else', () => {
    expect([...rows.keys()].sort()).toEqual([...configPaths].sort())
    for (const path of configPaths) {
      const key = configTable[path]
      const shown = formatConfigValue(key, key.default) || '""'
      expect([path, ...(rows.get(path) ?? [])]).toEqual([
        path,
        shown,
        expectationOf(key),
        key.description,
      ])
    }
  })
})
