import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { UsageError, parseArguments } from '../dist/simulate/arguments.js'
import { applyPatch } from '../dist/simulate/mutation.js'

describe('the command line of the simulator', () => {
  it('runs 2,000 seeds from 1 on when nothing is said, and demands coverage', () => {
    const given = parseArguments([])
    assert.equal(given.seeds, 2000)
    assert.equal(given.from, 1)
    assert.equal(given.isCoverageDemanded, true)
  })

  it('demands no coverage of fewer seeds, unless told to', () => {
    assert.equal(parseArguments(['--seeds', '1999']).isCoverageDemanded, false)
    assert.equal(parseArguments(['--seeds', '5', '--coverage']).isCoverageDemanded, true)
  })

  it('traces in one thread', () => {
    assert.equal(parseArguments(['--trace', '--jobs', '4']).jobs, 1)
  })

  for (const argv of [['--seeds', '0'], ['--seeds', 'x'], ['--from', '-1'], ['--what'], ['42']]) {
    it(`refuses ${argv.join(' ')}`, () => {
      assert.throws(() => parseArguments(argv), UsageError)
    })
  }
})

describe('a planted bug', () => {
  const patch = { file: 'packages/core/src/x.ts', find: 'await sync()', replace: '$& // gone' }

  it('is planted where its text stands, taken literally', () => {
    assert.equal(applyPatch('a; await sync(); b', patch, 'm'), 'a; $& // gone; b')
  })

  it('fails loudly when its text is not there, or twice', () => {
    assert.throws(() => applyPatch('nothing', patch, 'm'), /applies 0 times/)
    assert.throws(() => applyPatch('await sync(); await sync()', patch, 'm'), /applies 2 times/)
  })
})
