/** The documents name files, links and scripts that exist. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { inRoot, readJson, root, workspacePackages } from '../lib/workspace.mjs'

const markdownIn = (directory, recursive) =>
  readdirSync(inRoot(directory), { recursive })
    .map(String)
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(directory, name))

const documents = [...markdownIn('.', false), ...markdownIn('docs', true)]

const matches = (text, pattern) => [...text.matchAll(pattern)].map((match) => match[1])

const missing = (paths) => paths.filter((path) => !existsSync(path))

describe('the documents', () => {
  for (const document of documents) {
    const text = readFileSync(inRoot(document), 'utf8')

    it(`${document} links to files that exist`, () => {
      const links = matches(text, /\]\(([^)\s#]+)[^)]*\)/g).filter((link) => !/^\w+:/.test(link))
      const targets = links.map((link) => join(root, dirname(document), link))
      assert.deepEqual(missing(targets), [])
    })

    it(`${document} names paths that exist`, () => {
      const paths = matches(text, /`((?:packages|apps|tools|docs)\/[\w./-]+)`/g)
      assert.deepEqual(missing(paths.map((path) => inRoot(path))), [])
    })

    it(`${document} names npm scripts that exist`, () => {
      const { scripts } = readJson(inRoot('package.json'))
      const named = matches(text, /npm run ([\w:-]+)/g)
      assert.deepEqual(
        named.filter((name) => !scripts[name]),
        [],
      )
    })
  }

  it('stand at the root as agreed, and in each published package a README', () => {
    const agreed = ['ARCHITECTURE', 'CHANGELOG', 'CONTRIBUTING', 'README', 'SECURITY', 'STYLE']
    assert.deepEqual(markdownIn('.', false).sort(), agreed.map((name) => `${name}.md`).sort())
    const published = workspacePackages().filter(({ manifest }) => !manifest.private)
    const readmes = published.map(({ directory }) => inRoot(directory, 'README.md'))
    assert.deepEqual(missing(readmes), [])
  })

  it('keep CONTRIBUTING within 60 lines', () => {
    assert.ok(readFileSync(inRoot('CONTRIBUTING.md'), 'utf8').split('\n').length <= 61)
  })
})
