import type { Mutant } from './mutant.ts'

export const syncRetriedAfterFailure: Mutant = {
  name: 'sync-retried-after-failure',
  description: 'A failed sync is called again and, when that succeeds, believed.',
  patches: [
    {
      file: 'packages/core/src/log/journal.ts',
      find: `    } catch (error) {
      this.fail(error)
      throw error
    }`,
      replace: `    } catch {
      await file.sync()
    }`,
    },
  ],
}
