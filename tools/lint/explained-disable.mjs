/**
 * A rule may be switched off where breaking it makes the code clearer, and the line says why:
 * `// eslint-disable-next-line complexity -- one case per opcode, flat`.
 */
const directive = /^\s*eslint-disable(-next-line|-line)?\b/
const explained = /\s--\s+\S.{7,}/

export const explainedDisable = {
  meta: {
    type: 'suggestion',
    schema: [],
    messages: { unexplained: 'Say why: // eslint-disable-next-line some-rule -- the reason' },
  },
  create: (context) => ({
    Program() {
      for (const comment of context.sourceCode.getAllComments()) {
        if (directive.test(comment.value) && !explained.test(comment.value)) {
          context.report({ loc: comment.loc, messageId: 'unexplained' })
        }
      }
    },
  }),
}
