import { fitToFileLimit, readOpenFilesMax } from '../../src/net/file-budget.ts'

const wished = { connections: 10_000, storageFiles: 4_096, httpConnections: 256 }

it('leaves the settings alone when there are descriptors enough', () => {
  const needed = 128 + 10_000 + 4_096 + 256
  expect(fitToFileLimit(wished, needed)).toEqual(wished)
  expect(fitToFileLimit(wished, Infinity)).toEqual(wished)
  expect(fitToFileLimit(wished, needed - 1)).toEqual({ ...wished, connections: 9_999 })
})

it.each([256, 1_024, 4_096])('never promises more than the %d there are', (openFilesMax) => {
  const { connections, storageFiles, httpConnections } = fitToFileLimit(wished, openFilesMax)
  expect(connections + storageFiles + httpConnections + 128).toBeLessThanOrEqual(openFilesMax)
  expect(Math.min(connections, storageFiles, httpConnections)).toBeGreaterThan(0)
})

it('knows the limit of this process', () => {
  expect(readOpenFilesMax()).toBeGreaterThan(0)
})
