/** Single figures of a broker's page of metrics. */
import { get } from './http.ts'

/** The value of a sample, labels and all: `millrace_alarm_raised{kind="disk"}`. */
export const metricOf = async (httpPort: number, sample: string): Promise<number> => {
  const { body } = await get(httpPort, '/metrics')
  const line = body.split('\n').find((text) => text.startsWith(`${sample} `))
  if (line === undefined) throw new Error(`no sample ${sample}`)
  return Number(line.slice(sample.length + 1))
}
