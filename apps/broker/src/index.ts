/** The broker as a library, for tests and tools: the command is `bin/millrace.js`. */
export { type Config, type ConfigSources, type FlagValue, loadConfig } from './config/config.ts'
export {
  type ConfigPath,
  configPaths,
  configTable,
  type ConfigValues,
} from './config/config-table.ts'
export { createConfigSchema } from './config/config-schema.ts'
export {
  ListenError,
  type ListenerName,
  type OpenBroker,
  type RunningServer,
  type ServerOptions,
  startServer,
} from './server.ts'
