// Texts of a vehicle's values: a value with its unit, its age, and its marks.
import { cleanText, formatDuration, make } from './base.js';

const TEXT_MAX = 200; // characters of a value that are displayed
const MINUTE_MS = 60000;

// At most `digits` decimals, or three significant digits below 1; very large and very small numbers with an exponent.
export function formatMeasure(n, digits = 2) {
    if (typeof n !== 'number' || !Number.isFinite(n)) return '–';
    const size = Math.abs(n);
    if (size >= 1e9 || (size > 0 && size < 1e-4)) return n.toExponential(3);
    const options = size >= 1 || digits < 2 ? { maximumFractionDigits: digits } : { maximumSignificantDigits: 3 };
    return n.toLocaleString('en', { ...options, signDisplay: 'negative' }); // no "-0"
}

export const formatDegrees = (n) => n.toFixed(5);

export const isPosition = (value) => value !== null && typeof value === 'object' &&
    Number.isFinite(value.latitude) && Number.isFinite(value.longitude);

const isFlags = (value) => value !== null && typeof value === 'object' && !Array.isArray(value) &&
    Object.values(value).every((v) => typeof v === 'boolean');

// The value as text, without its unit. Doors and tire warnings: the names of those that are true.
export function formatFieldValue(value) {
    if (value === null || value === undefined) return '–';
    if (typeof value === 'number') return formatMeasure(value);
    if (typeof value === 'boolean') return value ? 'yes' : 'no';
    if (isPosition(value)) return `${formatDegrees(value.latitude)}, ${formatDegrees(value.longitude)}`;
    if (isFlags(value))
        return Object.keys(value).filter((k) => value[k]).map((k) => k.replaceAll('_', ' ')).join(', ') || 'none';
    if (value === '') return '(empty)';
    return cleanText(typeof value === 'object' ? JSON.stringify(value) : value, TEXT_MAX);
}

export const formatUnit = (unit) => (unit ? `\u00a0${unit}` : '');

// "12 s", "3 min": in whole seconds, since ages are not more exact.
export function formatAgeOf(ms) {
    return ms < 1000 ? 'now' : formatDuration(Math.floor(ms / 1000) * 1000);
}

// What each mark means; displayed above the values if a value has the mark.
export const MARKS = {
    invalid: { className: 'bad', text: 'the vehicle reports that it has no value' },
    late: { className: 'warn', text: 'received a minute or more after the vehicle made it' },
    restored: { className: 'info', text: 'received before fleetrouted started' },
};

export const marksOf = (value) => Object.keys(MARKS).filter((name) => value[name]);

export const makeMark = (name) => make('span', `tag ${MARKS[name].className}`, name);

// When the value was made and received, for the title of its row.
export function describeTimes(value) {
    const local = (ms) => new Date(ms).toLocaleString();
    if (!value.created_ms) return `received ${local(value.received_ms)}; the vehicle gave no time`;
    const delay = value.received_ms - value.created_ms;
    return `made ${local(value.created_ms)}` +
        (delay >= MINUTE_MS ? `, received ${formatDuration(delay)} later` : '');
}

// A name such as DiStatorTempR with places where a line may break.
export function makeFieldName(name) {
    const parts = cleanText(name, 100).replace(/([a-z0-9])([A-Z])/g, '$1\u0000$2').split('\u0000');
    return make('bdi', '', parts.flatMap((part, i) => (i === 0 ? [part] : [make('wbr', ''), part])));
}

const HOUR_MS = 3600000;
const sameDay = (a, b) => new Date(a).toDateString() === new Date(b).toDateString();
const clock = (ms) => new Date(ms).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
const day = (ms) => new Date(ms).toLocaleDateString('en-GB', Math.abs(Date.now() - ms) < 300 * 24 * HOUR_MS
    ? { weekday: 'short', day: 'numeric', month: 'short' } : { day: 'numeric', month: 'short', year: 'numeric' });

// "14:05" of today, "Sun 29 Nov 14:05" of another day.
export function formatMoment(ms) {
    return sameDay(ms, Date.now()) ? clock(ms) : `${day(ms)} ${clock(ms)}`;
}

// "14:05–14:31", with the day if it is not today.
export function formatSpan(begin, end) {
    return `${formatMoment(begin)}–${sameDay(begin, end) ? clock(end) : formatMoment(end)}`;
}

export function makeMoment(ms) {
    return make('time', { datetime: new Date(ms).toISOString(), title: new Date(ms).toLocaleString() }, formatMoment(ms));
}
