/** Answers as text: each question with its facts, and a table at the end. */
import { formatLatencies, formatSpread, grouped, round } from './facts.ts'
import type { Machine } from './machine.ts'
import { type Row, type Section, type Unit, judge } from './question.ts'

export interface Failure {
  readonly name: string
  readonly reason: string
}

export interface BenchReport {
  readonly machine: Machine
  /** Nothing of a quick run is a measurement. */
  readonly isQuick: boolean
  readonly sections: readonly Section[]
  readonly failures: readonly Failure[]
  readonly seconds: number
}

const formatValue = (unit: Unit, value: number): string => {
  switch (unit) {
    case 'ratio':
      return round(value, 2)
    case 'messages/s':
    case 'records/s':
      return `${grouped(value)}/s`
    case 'requests/s':
      return `${grouped(value)} requests/s`
    case 'logins/s':
      return `${grouped(value)} logins/s`
    case 's/GB':
      return `${round(value, 2)} s/GB`
    case 'µs':
      return `${round(value, 1)} µs`
    case 'MB/s':
      return `${grouped(value)} MB/s`
    case 'ms':
      return `${round(value, 0)} ms`
    case 'MB':
      return `${round(value, 0)} MB`
    case 'KB':
      return `${round(value, 1)} KB`
  }
}

const formatMeasured = ({ unit, measured }: Row): string =>
  formatSpread(measured, (value) => formatValue(unit, value))

const formatTarget = ({ unit, target }: Row): string =>
  target === undefined ? '-' : `${target.bound} ${formatValue(unit, target.value)}`

const formatVerdict = (row: Row, isQuick: boolean): string => {
  if (isQuick) return 'not judged'
  const verdict = judge(row)
  if (verdict.kind === 'missed') return `missed by ${round(verdict.byPercent, 0)} %`
  return verdict.kind === 'met' ? 'met' : '-'
}

export const machineLines = (machine: Machine): string[] => [
  `machine: ${machine.cpu}, ${machine.cpuCount} CPUs, ${grouped(machine.memoryBytes / 2 ** 20)} MiB`,
  `system:  ${machine.kernel}, Node ${machine.node}, ${machine.fileSystem} at ${machine.directory}`,
  `commit:  ${machine.commit}, ${machine.date}, load before ${round(machine.loadBefore, 2)}`,
]

export const sectionLines = (section: Section, isQuick: boolean): string[] => [
  '',
  `${section.name}: ${section.title}`,
  `  durability: ${section.durability}; ${round(section.seconds, 0)} s`,
  `  bare sync before: ${formatLatencies(section.syncBefore)}`,
  `  bare sync after:  ${formatLatencies(section.syncAfter)}`,
  ...section.rows.flatMap((row) => [
    `  ${row.label}`,
    `    ${formatMeasured(row)}, target ${formatTarget(row)}: ${formatVerdict(row, isQuick)}`,
    ...row.facts.map((fact) => `    ${fact}`),
  ]),
]

export const tableLines = ({ sections, failures, isQuick }: BenchReport): string[] => [
  '',
  '| question | what | measured | target | |',
  '|---|---|---|---|---|',
  ...sections.flatMap(({ name, rows }) =>
    rows.map((row) => {
      const cells = [name, row.label, formatMeasured(row), formatTarget(row)]
      return `| ${cells.join(' | ')} | ${formatVerdict(row, isQuick)} |`
    }),
  ),
  ...failures.map(({ name, reason }) => `| ${name} | not measured: ${reason} | - | - | failed |`),
]
