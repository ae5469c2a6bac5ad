// @ts-check
/**
 * The `regex` crate's dialect, for the part of it that JavaScript can express: literals, classes, groups, alternation,
 * repetition, anchors, `\d \w \s \b` and their complements (Unicode, but `\b`, which is ASCII here), and the flags `i`,
 * `s`, `m` in front. What the crate refuses, look-around and back references, is refused here too.
 */
import { invalidArgument } from './errors.js'

const CLASSES = /** @type {Record<string, string>} */ ({
  d: '\\p{Nd}',
  w: '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}',
  s: '\\p{White_Space}',
})

/**
 * @param {string} pattern
 * @param {string} where
 * @returns {RegExp} unanchored; without state, so `test` may be called again and again
 */
export function compileRegex(pattern, where) {
  const flags = /^\(\?([ism]+)\)/.exec(pattern)
  const given = flags?.[1] ?? ''
  const body = pattern.slice(flags?.[0].length ?? 0)
  try {
    return new RegExp(translate(body, given.includes('s')), `u${given.includes('i') ? 'i' : ''}${given.includes('m') ? 'm' : ''}`)
  } catch {
    throw invalidArgument(where, 'a regular expression', pattern)
  }
}

/**
 * @param {string} pattern
 * @param {boolean} dotAll
 */
function translate(pattern, dotAll) {
  let out = ''
  let inClass = false
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i]
    if (character === '\\') {
      out += translateEscape(pattern[++i], inClass)
    } else if (!inClass && pattern.startsWith('(?', i)) {
      const group = /^\(\?(:|P?<[A-Za-z_]\w*>)/.exec(pattern.slice(i))
      if (!group) throw new SyntaxError('unsupported group')
      out += group[0].replace('?P<', '?<')
      i += group[0].length - 1
    } else {
      if (character === '[') inClass = true
      if (character === ']') inClass = false
      out += character === '.' && !inClass ? (dotAll ? '[\\s\\S]' : '[^\\n]') : character
    }
  }
  return out
}

/**
 * @param {string | undefined} character what follows the backslash
 * @param {boolean} inClass
 */
function translateEscape(character, inClass) {
  if (character === undefined || /[1-9k]/.test(character)) throw new SyntaxError('unsupported escape')
  const members = CLASSES[character.toLowerCase()]
  if (members && character === character.toLowerCase()) return inClass ? members : `[${members}]`
  if (members && !inClass) return `[^${members}]`
  if (!inClass && character === 'A') return '(?<![\\s\\S])'
  if (!inClass && character === 'z') return '(?![\\s\\S])'
  const isPlainPunctuation = /[^\w\s^$\\.*+?()[\]{}|/]/.test(character) && !(inClass && character === '-')
  return isPlainPunctuation ? character : `\\${character}`
}
