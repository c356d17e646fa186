/** `millrace config check` and `millrace config show`. */
import { readAuthPolicy } from '../../auth/auth-policy.ts'
import { type Config, loadConfig } from '../../config/config.ts'
import { configPaths, configTable } from '../../config/config-table.ts'
import { formatConfigValue } from '../../config/config-values.ts'
import { createOriginRules } from '../../http/host-rules.ts'
import { tlsSettingsOf } from '../../net/certificates.ts'
import { formatJson, formatJsonLines, formatTable, type OutputForm } from '../output.ts'
import { flagValues } from '../setting-flags.ts'

const load = (options: Record<string, string>): Promise<Config> =>
  loadConfig({
    file: options['config'],
    flags: flagValues(options),
    environment: process.env,
  })

export const checkConfig = async (options: Record<string, string>): Promise<void> => {
  const { settings, values } = await load(options)
  // What only shows when settings are seen together.
  tlsSettingsOf(values)
  createOriginRules(values['websocket.origins'])
  await readAuthPolicy(values)
  const set = [...settings.values()].filter(({ source }) => source !== 'default').length
  process.stdout.write(`the configuration is good: ${set} of ${settings.size} settings are set\n`)
}

export const showConfig = async (
  options: Record<string, string> & { output?: OutputForm },
): Promise<void> => {
  const { settings } = await load(options)
  const rows = configPaths.map((path) => {
    const { value, source } = settings.get(path) ?? { value: '', source: '' }
    return { setting: path, value: formatConfigValue(configTable[path], value), source }
  })
  if (options.output === 'json') process.stdout.write(formatJson(rows))
  else if (options.output === 'jsonl') process.stdout.write(formatJsonLines(rows))
  else process.stdout.write(formatTable(rows, ['setting', 'value', 'source']))
}
