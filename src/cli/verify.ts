/** `kinescope verify`. */
import type { Verification, VerifiedSegment } from '../../index.js'
import { jsonText } from '../json.js'
import { bytesText, colours, grouped, type Output } from './output.js'

/** Said of a recording whose process was killed. */
export const UNRECOVERED = 'Its process ended without closing it. What was recorded last is in its rings until it is recovered: kinescope recover.'

/** Says what is damaged and what is intact. */
export async function showVerification(path: string, found: Verification, asJson: boolean, output: Output): Promise<void> {
  await output.write(asJson ? `${jsonText({ path, ...found })}\n` : reportOf(path, found))
}

function reportOf(path: string, { intact, live, unrecovered, segments, files, holes }: Verification): string {
  const { good, bad } = colours()
  const state = (damage: string | null): string => (damage === null ? good('intact') : bad('damaged'))
  const line = (damage: string | null, what: string): string => `${state(damage)}${' '.repeat(damage === null ? 3 : 2)}${what}${damage === null ? '' : `: ${damage}`}\n`
  const damaged = segments.filter(({ damage }) => damage !== null)
  const whole = segments.filter(({ damage }) => damage === null)
  const events = whole.reduce((sum, segment) => sum + segment.events, 0)
  const verdict = intact ? good('Everything is intact') : bad('This recording is damaged')
  return [
    `${path}${live ? ', which is being written' : ''}\n\n`,
    ...files.map(({ name, bytes, damage }) => line(damage, `${name} (${bytesText(bytes)})`)),
    files.length > 0 && segments.length > 0 ? '\n' : '',
    ...segments.map((segment) => line(segment.damage, segmentText(segment))),
    ...holes.map(({ fromSeq, toSeq, count }) => `${bad('missing')}  seq ${fromSeq} to ${toSeq}, ${grouped(count)} events: in no file\n`),
    `\n${verdict}: ${grouped(events)} events can be read`,
    damaged.length === 0 ? '' : `, ${grouped(damaged.reduce((sum, segment) => sum + segment.events, 0))} cannot`,
    '.\n',
    unrecovered ? `\n${UNRECOVERED}\n` : '',
  ].join('')
}

function segmentText({ fromSeq, toSeq, events, sealed }: VerifiedSegment): string {
  const range = toSeq === null ? `seq ${fromSeq} on, nobody knows how many events` : `seq ${fromSeq} to ${toSeq}, ${grouped(events)} events`
  return `${range}${sealed ? '' : ', open'}`
}
