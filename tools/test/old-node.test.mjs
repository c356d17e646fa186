/** An old Node gets one clear line, whatever is run first. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, it } from 'node:test'
import { root } from '../lib/workspace.mjs'

const runOn = (version, script) => {
  const pretend = `Object.defineProperty(process.versions, 'node', { value: '${version}' })`
  const parameters = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`, script]
  return spawnSync(process.execPath, parameters, { cwd: root, encoding: 'utf8' })
}

describe('an old Node', () => {
  for (const script of ['tools/prepare.mjs', 'tools/test.mjs', 'tools/check.mjs']) {
    it(`is told by ${script} which one it takes`, () => {
      const { status, stderr } = runOn('20.18.3', script)
      assert.equal(status, 1)
      assert.match(stderr, /^Millrace needs Node 20\.19 or newer, and this is Node 20\.18\.3\.\n/)
      assert.ok(!stderr.includes('    at '), 'no stack')
    })
  }
})
