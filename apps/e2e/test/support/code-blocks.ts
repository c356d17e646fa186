/**
 * The fenced code blocks of a Markdown document, in order. Which of them are run is said by their
 * language, so that a reader of the document need not know of any marking:
 *
 * - `sh`: run, to its end, with `bash`; a block that only says `npm start` is the broker and stays;
 * - `text`: what the `sh` block before it prints; `…` stands for any text within a line;
 * - `js`: a program, the same as the file that its first line names in a comment;
 * - `console` and all others: only shown.
 */
export interface CodeBlock {
  readonly language: string
  readonly code: string
  /** Of the first line of code, counted from 1. */
  readonly line: number
}

export interface RunnableBlock {
  readonly line: number
  readonly code: string
  /** What it prints, if the document says so. */
  readonly expected: string | undefined
}

export const codeBlocksOf = (document: string): CodeBlock[] => {
  const blocks: CodeBlock[] = []
  let open: { language: string; line: number; code: string[] } | undefined
  document.split('\n').forEach((text, index) => {
    if (!text.startsWith('```')) open?.code.push(text)
    else if (open === undefined) open = { language: text.slice(3), line: index + 2, code: [] }
    else {
      blocks.push({ ...open, code: open.code.join('\n') })
      open = undefined
    }
  })
  return blocks
}

export const runnableBlocksOf = (blocks: readonly CodeBlock[]): RunnableBlock[] =>
  blocks.flatMap(({ language, code, line }, index) => {
    if (language !== 'sh') return []
    const next = blocks[index + 1]
    return [{ line, code, expected: next?.language === 'text' ? next.code : undefined }]
  })

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Whether a block printed what the document says. */
export const matchesExpectation = (printed: string, expected: string): boolean =>
  new RegExp(`^${expected.split('…').map(escape).join('.*')}$`).test(printed.trimEnd())
