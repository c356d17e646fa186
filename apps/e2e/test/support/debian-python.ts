/** The Python that Debian's packages belong to; another `python3` may come first on the path. */
export const debianPython = '/usr/bin/python3'
