/** Finds the examples of the documentation: fenced `js` blocks in Markdown, and `@example` tags in declarations. */

/** An example, and where a reader finds it. */
export interface Example {
  /** File and 1-based line of the example's first line. */
  where: string
  code: string
}

/** Every fenced block whose language is `js`. */
export function markdownExamples(file: string, text: string): Example[] {
  return [...text.matchAll(/^```js\n(.*?)^```$/gms)].map((match) => ({
    where: `${file}:${lineOf(text, match.index) + 1}`,
    code: match[1] ?? '',
  }))
}

/** Every `@example` of a doc comment, up to the comment's end. */
export function docCommentExamples(file: string, text: string): Example[] {
  return [...text.matchAll(/^ *\* @example\n(.*?)^ *\*\/$/gms)].map((match) => ({
    where: `${file}:${lineOf(text, match.index) + 1}`,
    code: (match[1] ?? '').replaceAll(/^ *\* ?/gm, ''),
  }))
}

/** What the example says it prints: the comment behind each `console.log(...)`, in the order of the lines. */
export function promisedOutput(code: string): string[] {
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
