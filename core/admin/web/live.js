// Records as they arrive, over server-sent events.
import { address, cleanText, copyText, element, formatCount, formatNumber, formatTime, formatValue, get, make, openLogin, outside, poll, setClass, setText, startPage } from './base.js';

const RECORDS_MAX = 300; // in the list and, while the display is paused, in the memory
const RENDER_MS = 200;
const VALUES_MAX = 200; // of one record
const SUMMARY_VALUES = 4;
const RETRY_MS = 3000;
const FILTERS = ['vin', 'type', 'field'];
const FLAGS = ['resend', 'late', 'restored', 'repeated'];

let stream = null;
let waiting = []; // not displayed yet, the newest last
let texts = []; // JSON of the displayed records, the newest first
let paused = false;
let received = 0;
let dropped = 0;
let timer = null;
let retry = null;
const seen = { vins: new Set(), fields: new Set() }; // for the suggestions

/* ---- one record ---- */

// The values of a record: those of its fields, or its other members.
function valuesOf(record) {
    if (record.data && typeof record.data === 'object' && !Array.isArray(record.data))
        return [...Object.entries(record.data), ...(record.invalid || []).map((name) => [name, 'invalid']), ...(record.empty || []).map((name) => [name, 'empty'])];
    return Object.entries(record).filter(([name]) => !['type', 'vin', 'name', 'txid', ...FLAGS].includes(name));
}

function makeValues(record) {
    const values = valuesOf(record).slice(0, VALUES_MAX);
    const meta = ['vin', 'txid', 'created_at', 'received_at'].filter((name) => record[name] !== undefined).map((name) => [name, record[name]]);
    return make('dl', 'values', [...values, ...meta].map(([name, value]) => [make('dt', '', outside(name, 120)), make('dd', '', outside(formatValue(value)))]));
}

function makeRecord(text) {
    let record;
    try {
        record = JSON.parse(text);
    } catch (error) {
        return make('li', '', outside(text));
    }
    const values = valuesOf(record);
    const what = values.slice(0, SUMMARY_VALUES).map(([name, value]) => `${name} ${cleanText(formatValue(value), 60)}`).join(', ');
    const received_at = Date.parse(record.received_at);
    const details = make('details', '', make('summary', '',
        make('time', { datetime: record.received_at || '' }, formatTime(received_at, 'time')),
        make('strong', '', outside(record.name || record.vin, 60)), make('span', 'quiet', outside(record.type, 60)),
        FLAGS.filter((flag) => record[flag]).map((flag) => make('span', 'flag', flag)),
        make('span', 'what', outside(what), values.length > SUMMARY_VALUES ? ` +${values.length - SUMMARY_VALUES}` : '')));
    details.addEventListener('toggle', () => {
        if (details.open && details.children.length === 1) details.append(makeValues(record));
    });
    suggest('vins', record.vin);
    if (record.data) for (const name of Object.keys(record.data)) suggest('fields', name);
    return make('li', '', details);
}

function suggest(list, text) {
    if (typeof text !== 'string' || text.length > 120 || seen[list].size >= 500 || seen[list].has(text)) return;
    seen[list].add(text);
    element(list).append(make('option', { value: text }));
}

/* ---- the list ---- */

function render() {
    timer = null;
    setText(element('stream_count'), received ? `${formatCount(received, 'record')}${paused && waiting.length ? `; ${formatNumber(waiting.length)} wait` : ''}` : '');
    element('dropped').hidden = dropped === 0;
    setText(element('dropped'), `${formatCount(dropped, 'record')} not displayed: more arrive than this page gets (100 a second). Filter by VIN, type or field.`);
    if (paused || waiting.length === 0) return;
    const list = element('records');
    const fresh = waiting.reverse();
    waiting = [];
    list.prepend(...fresh.map(makeRecord));
    texts = [...fresh, ...texts].slice(0, RECORDS_MAX);
    while (list.children.length > RECORDS_MAX) list.lastElementChild.remove();
    element('empty').hidden = true;
}

function renderSoon() {
    if (timer === null) timer = setTimeout(render, RENDER_MS);
}

function clear() {
    waiting = [];
    texts = [];
    received = dropped = 0;
    element('records').replaceChildren();
    element('empty').hidden = false;
    render();
}

function setPaused(value) {
    paused = value;
    element('pause').setAttribute('aria-pressed', String(paused));
    setText(element('pause'), paused ? 'Continue' : 'Pause');
    render();
}

/* ---- the stream ---- */

function setState(text, level) {
    setText(element('stream_state'), text);
    setClass(element('stream_state'), `state ${level}`);
}

function connect() {
    const query = new URLSearchParams(FILTERS.map((name) => [name, element(name).value.trim()]).filter(([, value]) => value));
    if (stream) stream.close();
    clearTimeout(retry);
    setState('connecting', 'quiet');
    history.replaceState(null, '', query.size ? `?${query}` : location.pathname);
    const url = address(`api/records?${query}`);
    stream = new EventSource(url);
    stream.onopen = () => setState('connected', 'good');
    stream.onmessage = (event) => {
        received++;
        waiting.push(event.data);
        if (waiting.length > RECORDS_MAX) waiting.shift();
        renderSoon();
    };
    stream.addEventListener('dropped', (event) => {
        dropped += Number(JSON.parse(event.data).dropped) || 0;
        renderSoon();
    });
    stream.onerror = () => explain(url);
}

// The server's message about a filter that it does not accept; '': there is none.
async function filterMistake(url) {
    const request = new AbortController();
    try {
        const answer = await fetch(url, { signal: request.signal });
        return answer.status === 400 ? (await answer.json()).message : '';
    } catch (error) {
        return '';
    } finally {
        request.abort(); // a stream that is accepted has no end
    }
}

// A browser does not report why a stream ended, so the session is asked.
async function explain(url) {
    const failed = stream;
    const closed = stream.readyState === EventSource.CLOSED;
    setState('no connection; the page tries again', 'bad');
    try {
        const session = await get('api/session');
        if (session.token_required && !session.authenticated) {
            stream.close();
            openLogin();
            return;
        }
    } catch (error) {
        // The daemon is away; the page tries again.
    }
    const mistake = closed ? await filterMistake(url) : '';
    if (failed !== stream) return; // another filter was applied meanwhile
    if (mistake) {
        setState(cleanText(mistake), 'bad');
    } else if (closed) {
        clearTimeout(retry);
        retry = setTimeout(connect, RETRY_MS);
    }
}

startPage('Live records');
const query = new URLSearchParams(location.search);
for (const name of FILTERS) element(name).value = query.get(name) ?? '';
element('filter').addEventListener('submit', (event) => {
    event.preventDefault();
    clear();
    connect();
});
element('pause').addEventListener('click', () => setPaused(!paused));
element('clear').addEventListener('click', clear);
element('copy').addEventListener('click', () => copyText(texts.map((text) => `${text}\n`).join(''), formatCount(texts.length, 'record')));
document.addEventListener('login', connect);
window.addEventListener('pagehide', () => stream?.close());
window.addEventListener('pageshow', (event) => { if (event.persisted) connect(); });
connect();
poll(async () => setText(element('version'), `fleetrouted ${(await get('status')).version}`), 60000);
