/** Questions about `package-lock.json` (version 3): its `packages`, by path. */

/** Node's lookup from the package at `from`: the nearest `node_modules` first. */
export const resolveIn = (packages, from, name) => {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const path = at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`
    if (packages[path]) return path
    if (at === '') return undefined
  }
}

/** Optional packages, mostly builds for other systems, that a package names and the lockfile lacks. */
export const missingOptional = (packages) =>
  Object.entries(packages).flatMap(([from, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => resolveIn(packages, from, name) === undefined)
      .map(([name, version]) => ({ name, version, from })),
  )
