/** Source around an event: what is read, and what is not. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { open, type EventId, type Kinescope } from 'kinescope'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const TEN_LINES = Array.from({ length: 10 }, (_, index) => `line ${index + 1}`).join('\n')
let directory: string
let root: string
let scope: Kinescope

beforeEach(async () => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'kinescope-source-')))
  root = join(directory, 'root')
  mkdirSync(root)
  scope = await open({ sourceRoots: [root], ring: { bytes: 65_536 } })
})

afterEach(async () => {
  await scope.close()
  rmSync(directory, { recursive: true })
})

/** Writes a file that is older than every event. */
function write(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  utimesSync(path, 1_000_000, 1_000_000)
  return path
}

function recordAt(file: string | undefined, line: number | undefined): EventId {
  return scope.recorder.record({ eventType: 'log', ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) })
}

describe('the lines around an event', () => {
  it.each([
    [5, 2, 1, 'line 3\nline 4\nline 5\nline 6', 3],
    [1, 5, 0, 'line 1', 1],
    [2, 5, 1, 'line 1\nline 2\nline 3', 1],
    [10, 1, 5, 'line 9\nline 10', 9],
    [10, 0, 0, 'line 10', 10],
  ])('of line %i, %i before and %i after', async (line, before, after, codeSnippet, firstLine) => {
    const filePath = write('root/a.js', TEN_LINES)
    const id = recordAt(filePath, line)
    expect(await scope.dataAccess.getSourceContext(id, before, after)).toEqual({ filePath, lineNumber: line, codeSnippet, firstLine })
  })

  it('are five on each side unless asked otherwise, also for a file URL', async () => {
    const filePath = write('root/a.js', TEN_LINES)
    const { firstLine, codeSnippet } = await scope.dataAccess.getSourceContext(recordAt(pathToFileURL(filePath).href, 6))
    expect([firstLine, codeSnippet.split('\n').length]).toEqual([1, 10])
  })

  it('are those of the original where a source map names it', async () => {
    write('root/src.ts', 'const a: number = 1\nconst b: number = 2\nthrow new Error()')
    // Line 1 of the generated file comes from line 3 of src.ts, column 0 (VLQ "AAEA").
    const map = { version: 3, sources: ['src.ts'], names: [], mappings: 'AAEA' }
    write('root/out.js.map', JSON.stringify(map))
    const byFile = recordAt(write('root/out.js', 'throw new Error()\n//# sourceMappingURL=out.js.map\n'), 1)
    const url = `data:application/json;base64,${Buffer.from(JSON.stringify({ ...map, sourcesContent: ['1\n2\nthree'] })).toString('base64')}`
    const inline = recordAt(write('root/inline.js', `throw new Error()\n//# sourceMappingURL=${url}\n`), 1)
    expect(await scope.dataAccess.getSourceContext(byFile, 1, 0)).toMatchObject({ filePath: join(root, 'src.ts'), lineNumber: 3, codeSnippet: 'const b: number = 2\nthrow new Error()' })
    expect(await scope.dataAccess.getSourceContext(inline, 0, 0)).toMatchObject({ filePath: join(root, 'src.ts'), lineNumber: 3, codeSnippet: 'three' })
  })

  it('are those of the generated file where the map is broken or leads outside', async () => {
    write('outside.ts', 'secret')
    write('root/away.js.map', JSON.stringify({ version: 3, sources: ['../outside.ts'], names: [], mappings: 'AAAA' }))
    const away = recordAt(write('root/away.js', 'generated\n//# sourceMappingURL=away.js.map\n'), 1)
    const broken = recordAt(write('root/broken.js', 'generated\n//# sourceMappingURL=data:application/json,{\n'), 1)
    for (const id of [away, broken]) expect((await scope.dataAccess.getSourceContext(id, 0, 0)).codeSnippet).toBe('generated')
  })
})

describe('no source', () => {
  const unavailable = { code: 'SOURCE_UNAVAILABLE' }

  it('outside of the roots, whichever way the path goes', async () => {
    const outside = write('outside.js', TEN_LINES)
    mkdirSync(join(directory, 'root-2'))
    write('root-2/a.js', TEN_LINES)
    symlinkSync(outside, join(root, 'link.js'))
    for (const file of [outside, join(root, '..', 'outside.js'), join(root, 'link.js'), join(directory, 'root-2', 'a.js'), '/etc/passwd']) {
      await expect(scope.dataAccess.getSourceContext(recordAt(file, 1)), file).rejects.toMatchObject(unavailable)
    }
  })

  it('of a file that is gone, was changed since, is a directory, or is shorter', async () => {
    const changed = join(root, 'changed.js')
    writeFileSync(changed, TEN_LINES)
    const id = recordAt(changed, 1)
    await scope.flush()
    utimesSync(changed, new Date(), new Date(Date.now() + 60_000))
    await expect(scope.dataAccess.getSourceContext(id)).rejects.toMatchObject(unavailable)
    for (const file of [join(root, 'gone.js'), root, 'file:///%zz', '\0']) {
      await expect(scope.dataAccess.getSourceContext(recordAt(file, 1)), file).rejects.toMatchObject(unavailable)
    }
    await expect(scope.dataAccess.getSourceContext(recordAt(write('root/a.js', TEN_LINES), 11))).rejects.toMatchObject(unavailable)
  })

  it('of an event without file or line, or without an event', async () => {
    await expect(scope.dataAccess.getSourceContext(recordAt(undefined, 1))).rejects.toMatchObject(unavailable)
    await expect(scope.dataAccess.getSourceContext(recordAt(write('root/a.js', TEN_LINES), undefined))).rejects.toMatchObject(unavailable)
    await expect(scope.dataAccess.getSourceContext('1-999999')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

it('names the argument that is wrong', async () => {
  const id = recordAt(undefined, undefined)
  await expect(scope.dataAccess.getSourceContext('x' as EventId)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'id' } })
  await expect(scope.dataAccess.getSourceContext(id, -1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'linesBefore' } })
  await expect(scope.dataAccess.getSourceContext(id, 1, 1.5)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'linesAfter' } })
  await expect(open({ sourceRoots: [''] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'sourceRoots[0]' } })
})
