// Texts of numbers, times and values. An unknown number (null, undefined, not finite) is a dash.

const DASH = '–';
const TEXT_MAX = 400; // characters of a value that are displayed
const known = (n) => typeof n === 'number' && Number.isFinite(n);

// 12,345.6: at most `digits` decimal places.
export function formatNumber(n, digits = 0) {
    return known(n) ? n.toLocaleString('en', { maximumFractionDigits: digits }) : DASH;
}

// A number with about three significant digits, for rates and averages.
export function formatRate(n) {
    if (!known(n)) return DASH;
    return formatNumber(n, n === 0 || Math.abs(n) >= 100 ? 0 : Math.abs(n) >= 10 ? 1 : 2);
}

export function formatBytes(n) {
    if (!known(n)) return DASH;
    for (const unit of ['B', 'kB', 'MB', 'GB', 'TB']) {
        if (n < 1000 || unit === 'TB') return `${formatNumber(n, n < 10 && unit !== 'B' ? 1 : 0)}\u00a0${unit}`;
        n /= 1000;
    }
    return DASH;
}

// From milliseconds: 0.4 ms, 85 ms, 12 s, 7 min, 5 h, 3 d.
export function formatDuration(ms) {
    if (!known(ms)) return DASH;
    if (ms < 1) return ms <= 0 ? '0\u00a0s' : `${formatNumber(ms, 2)}\u00a0ms`;
    if (ms < 1000) return `${formatNumber(ms, ms < 10 ? 1 : 0)}\u00a0ms`;
    const s = ms / 1000;
    if (s < 120) return `${formatNumber(s, s < 10 ? 1 : 0)}\u00a0s`;
    if (s < 7200) return `${Math.round(s / 60)}\u00a0min`;
    if (s < 172800) return `${Math.round(s / 3600)}\u00a0h`;
    return `${formatNumber(Math.round(s / 86400))}\u00a0d`;
}

// The age of an event in whole seconds or more; `then` 0 or absent: it never happened.
export function formatAge(now, then) {
    if (!then) return 'never';
    return now - then < 1000 ? 'now' : `${formatDuration(Math.round((now - then) / 1000) * 1000)} ago`;
}

const two = (n) => String(n).padStart(2, '0');

// Local time: 2026-11-29 18:05:09; `parts` is 'date', 'time', 'minute' or 'all'.
export function formatTime(ms, parts = 'all') {
    if (!known(ms) || ms <= 0) return DASH;
    const t = new Date(ms);
    const date = `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}`;
    const minute = `${two(t.getHours())}:${two(t.getMinutes())}`;
    if (parts === 'date') return date;
    if (parts === 'minute') return minute;
    const time = `${minute}:${two(t.getSeconds())}`;
    return parts === 'time' ? time : `${date} ${time}`;
}

// "1 vehicle", "3 vehicles".
export function formatCount(n, one, many = `${one}s`) {
    return `${formatNumber(n)} ${n === 1 ? one : many}`;
}

// A text from outside with its control characters made visible, and shortened. `lines`: line feeds stay.
export function cleanText(text, max = TEXT_MAX, lines = false) {
    const clean = String(text).slice(0, max + 1)
        .replace(/[\u0000-\u001f]/g, (c) => (lines && c === '\n' ? c : String.fromCharCode(0x2400 + c.charCodeAt(0))))
        .replace(/[\u007f-\u009f\ufdd0-\ufdef\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])/g, '\ufffd');
    return clean.length > max ? `${clean.slice(0, max)}…` : clean;
}

// The value of a field: numbers with their decimals, booleans as words, objects as JSON.
export function formatValue(value) {
    if (value === null || value === undefined) return DASH;
    if (typeof value === 'number') return formatNumber(value, Math.abs(value) >= 1000 ? 1 : 6);
    return cleanText(typeof value === 'object' ? JSON.stringify(value) : value);
}
