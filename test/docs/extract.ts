/** Finds the examples of the documentation: fenced `js` blocks in Markdown, and `@example` tags in declarations. */

/** An example, where a reader finds it, and what it says it prints. */
export interface Example {
  /** File and 1-based line of the example's first line. */
  where: string
  code: string
  /** Lines of output; empty when the example does not say. */
  output: string[]
}

/** Every fenced block whose language is `js`. Its output is a `text` block that follows after the word "prints". */
export function markdownExamples(file: string, text: string): Example[] {
  return [...text.matchAll(/^```js\n(.*?)^```$(?:\n\nprints:?\n\n```text\n(.*?)^```$)?/gms)].map((match) => ({
    where: `${file}:${lineOf(text, match.index) + 1}`,
    code: match[1] ?? '',
    output: match[2]?.trimEnd().split('\n') ?? commentedOutput(match[1] ?? ''),
  }))
}

/** Every `@example` of a doc comment, up to the comment's end. */
export function docCommentExamples(file: string, text: string): Example[] {
  return [...text.matchAll(/^ *\* @example\n(.*?)^ *\*\/$/gms)].map((match) => {
    const code = (match[1] ?? '').replaceAll(/^ *\* ?/gm, '')
    return { where: `${file}:${lineOf(text, match.index) + 1}`, code, output: commentedOutput(code) }
  })
}

/** The comment behind each `console.log(...)`, in the order of the lines. */
function commentedOutput(code: string): string[] {
  return [...code.matchAll(/console\.log\(.*\).*? \/\/ (.+)$/gm)].map(([, output]) => output ?? '')
}

/** The example as a module of its own: one that does not open a recording gets one, and it is closed at the end. */
export function asModule(code: string): string {
  if (/\bopen\(/.test(code)) return code
  return `import { open } from 'kinescope'\nconst scope = await open()\n${code}\nawait scope.close()\n`
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}
