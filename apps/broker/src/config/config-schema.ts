/** The JSON Schema of the configuration file, made from the table: `apps/broker/config.schema.json`. */
import { type ConfigKey, configPaths, configTable } from './config-table.ts'
import { expectationOf, formatConfigValue } from './config-values.ts'

export type JsonSchema = { readonly [key: string]: unknown }

/** A value may hold a variable of the environment; what is in it is checked when it is read. */
const VARIABLE: JsonSchema = { type: 'string', pattern: '\\$\\{' }

const QUANTITY_PATTERNS = {
  bytes: '^[0-9]+(\\.[0-9]+)?\\s*(([kKmMgGtT][iI]?)?[bB])?$',
  duration: '^[0-9]+(\\.[0-9]+)?\\s*([mM][sS]|[sSmMhHdD])?$',
  count: '^[0-9]{1,15}$',
} as const

const alternativesOf = (key: ConfigKey): readonly JsonSchema[] => {
  switch (key.kind) {
    case 'text':
      return [{ type: 'string' }, { type: 'number' }]
    case 'switch':
      return [{ type: 'boolean' }, { enum: ['true', 'false'] }]
    case 'port':
      return [
        { type: 'integer', minimum: 0, maximum: 65_535 },
        { type: 'string', pattern: '^[0-9]{1,5}$' },
        { enum: ['off', false] },
      ]
    case 'choice':
      return [{ enum: key.choices }]
    default:
      return [
        { type: 'integer', minimum: key.min, maximum: key.max },
        { type: 'string', pattern: QUANTITY_PATTERNS[key.kind] },
      ]
  }
}

const schemaOf = (key: ConfigKey): JsonSchema => ({
  description: `${key.description} Expected: ${expectationOf(key)}.`,
  default: formatConfigValue(key, key.default),
  anyOf: [...alternativesOf(key), VARIABLE],
})

const objectOf = (properties: Record<string, JsonSchema>): JsonSchema => ({
  type: 'object',
  additionalProperties: false,
  properties,
})

export const createConfigSchema = (): JsonSchema => {
  const top: Record<string, JsonSchema> = {}
  const sections: Record<string, Record<string, JsonSchema>> = {}
  for (const path of configPaths) {
    const [first, second] = path.split('.') as [string, string | undefined]
    if (second === undefined) top[first] = schemaOf(configTable[path])
    else (sections[first] ??= {})[second] = schemaOf(configTable[path])
  }
  for (const [name, properties] of Object.entries(sections)) top[name] = objectOf(properties)
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Millrace broker configuration',
    ...objectOf(top),
  }
}
