'use strict';

const INTERVAL_MS = 2000;
const VEHICLES_MAX = 1000;
const OVERDUE_MS = 2000; // an older delivery is reported
const FIND_MIN = 10; // with more vehicles the search is displayed
const PROMPT_MS = 1000; // a greater delay is explained
const element = (id) => document.getElementById(id);
let previous = null; // the last answers, from which rates are computed
let timer = null;

function make(tag, className, ...children) {
    const node = document.createElement(tag);
    node.className = className;
    node.append(...children);
    return node;
}

const format = (n) => n.toLocaleString('en');

function bytes(n) {
    for (const unit of ['B', 'kB', 'MB', 'GB']) {
        if (n < 1000 || unit === 'GB') return `${n < 10 && unit !== 'B' ? n.toFixed(1) : Math.round(n)} ${unit}`;
        n /= 1000;
    }
}

function duration(ms) {
    const s = Math.max(0, Math.round(ms / 1000));
    if (s < 120) return `${s} s`;
    if (s < 7200) return `${Math.round(s / 60)} min`;
    if (s < 172800) return `${Math.round(s / 3600)} h`;
    return `${Math.round(s / 86400)} d`;
}

const ago = (now, then) => (then ? `${duration(now - then)} ago` : 'never');

// The growth of a counter per second; null: unknown, as after a restart of fleetrouted.
function rate(now, old, seconds) {
    return old === undefined || now < old || !(seconds > 0) ? null : (now - old) / seconds;
}

function formatRate(value) {
    if (value === null) return '…';
    return value === 0 || value >= 10 ? format(Math.round(value)) : value.toFixed(1);
}

function fact(name, value, className = '') {
    return make('div', 'fact', make('b', className, value), make('span', '', name));
}

async function read(path) {
    const answer = await fetch(path);
    if (answer.status === 401) throw new Error('token');
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
}

// The bound of the class of delays that contains a quantile, in ms; Infinity: above all bounds; null: no delivery.
function delayQuantile(delays, quantile) {
    const classes = Object.entries(delays);
    const total = classes.reduce((sum, [, n]) => sum + n, 0);
    let sum = 0;
    for (const [bound, n] of classes) {
        sum += n;
        if (total && sum >= total * quantile) return bound === 'more' ? Infinity : Number(bound);
    }
    return null;
}

// The histogram counts from the start of fleetrouted, so an outage that is over is still in it.
function formatDelay(bound) {
    if (bound <= PROMPT_MS) return `99 of 100 were delivered within ${bound}\u00a0ms`;
    return `since the start, more than 1 of 100 waited ${bound === Infinity ? 'over 60\u00a0s' : `up to ${duration(bound)}`}: ` +
        'what waited during an outage counts, too';
}

function renderFacts(s, seconds) {
    const left = Math.floor((s.certificate_expires * 1000 - s.now_ms) / 86400000);
    const old = previous ? previous.status.counters : {};
    const facts = [
        fact('vehicles connected', format(s.vehicles_connected)),
        fact('records/s', formatRate(rate(s.counters.records, old.records, seconds))),
        fact('acknowledged', format(s.counters.acknowledged)),
        fact('error replies', format(s.counters.error_replies), s.counters.error_replies ? 'warn' : ''),
        fact('certificate', left < 0 ? 'expired' : `${left} days`, left < 3 ? 'bad' : left < 14 ? 'warn' : ''),
        ...(s.deferred_certificate ? [fact('renewed certificate', 'waits for vehicles', 'warn')] : []),
        ...(s.keep ? [fact('configurations', `${format(s.keep.vehicles.valid)} of ${format(s.keep.vehicles.known)}`, s.keep.health === 'up' ? '' : 'warn')] : []),
        fact('uptime', duration(s.uptime_ms)),
        fact('memory', bytes(s.resident_kb * 1024)),
    ];
    if (s.journal) {
        facts.splice(4, 0,
            fact(`journal of ${bytes(s.journal.size)}`, bytes(s.journal.record_bytes), s.journal.health === 'up' ? '' : 'bad'),
            fact('oldest record', s.journal.records ? duration(s.now_ms - s.journal.oldest_ms) : 'none'));
    }
    element('facts').replaceChildren(...facts);
}

function renderSink(name, sink, s, seconds) {
    const old = previous ? previous.status.sinks[name] : undefined;
    const lag = sink.lag === undefined ? sink.unfinished : sink.lag;
    const lost = [['deleted undelivered', sink.deleted_undelivered], ['dropped', sink.dropped], ['refused', sink.refused], ['dead-lettered', sink.dead_letters]]
        .filter(([, n]) => n).map(([what, n]) => `${format(n)} ${what}`);
    const delay = delayQuantile(sink.delay_ms, 0.99);
    const className = sink.health === 'up' ? 'good' : sink.health === 'down' ? 'bad' : 'warn';
    const card = make('div', `sink ${sink.health}`,
        make('strong', '', name), ' ', make('span', 'quiet', sink.plugin), ' ',
        make('span', className, sink.health),
        make('p', '', `lag ${format(lag)} · ${format(sink.delivered)} delivered · ` +
            `${formatRate(rate(sink.delivered, old && old.delivered, seconds))}/s` +
            (delay !== null && delay <= PROMPT_MS ? ` · ${formatDelay(delay)}` : '')));
    if (delay !== null && delay > PROMPT_MS) card.append(make('p', 'quiet', formatDelay(delay)));
    if (sink.overdue_ms > OVERDUE_MS)
        card.append(make('p', 'warn', `the oldest delivery is overdue by ${duration(sink.overdue_ms)}`));
    if (lost.length) card.append(make('p', 'warn', lost.join(' · ')));
    if (sink.why) card.append(make('p', sink.health === 'up' ? 'quiet' : className, sink.why));
    if (sink.health === 'up' && sink.last_error)
        card.append(make('p', 'quiet', `solved; the last problem, ${ago(s.now_ms, sink.last_error_ms)}: ${sink.last_error}`));
    return card;
}

function renderSource(name, source) {
    const card = make('div', `sink ${source.health}`,
        make('strong', '', name), ' ', make('span', 'quiet', source.plugin), ' ',
        make('span', source.health === 'up' ? 'good' : 'bad', source.health),
        make('p', '', `${format(source.stored)} stored · ${format(source.skipped)} skipped`));
    if (source.why) card.append(make('p', 'quiet', source.why));
    return card;
}

// The name that the routing gives the vehicle, with its VIN as a hint; or the VIN.
function makeVehicle(v) {
    const cell = make('td', '', v.name || v.vin);
    cell.title = v.vin;
    return cell;
}

// With the address of the newest connection as a hint.
function makeConnection(v) {
    const cell = make('td', v.connected ? 'good' : 'quiet',
        v.connected ? (v.connections > 1 ? `connected, ${v.connections} connections` : 'connected') : 'disconnected');
    if (v.address) cell.title = v.address;
    return cell;
}

function renderVehicles(s, list, seconds) {
    const old = previous ? previous.records : {};
    element('vehicles').replaceChildren(...list.vehicles.map((v) => make('tr', '',
        makeVehicle(v),
        makeConnection(v),
        make('td', '', ago(s.now_ms, v.last_ms)),
        make('td', 'n', format(v.records)),
        make('td', 'n', formatRate(rate(v.records, old[v.vin], seconds))))));
    element('vehicle_count').textContent = `${format(s.vehicles_connected)} connected, ${format(s.vehicles_known)} known`;
    element('find').hidden = s.vehicles_known <= FIND_MIN && !element('find').value;
    element('more').textContent = list.found > list.vehicles.length
        ? `${format(list.found - list.vehicles.length)} more; search for a VIN to list them`
        : list.found ? '' : element('find').value ? 'no vehicle matches' : 'no vehicle has connected yet';
}

function renderVerdict(s) {
    const unhealthy = Object.entries({ ...s.sinks, ...s.sources }).filter(([, x]) => x.health !== 'up');
    const expired = s.certificate_expires * 1000 < s.now_ms;
    let [text, className] = ['healthy', 'good'];
    if (s.journal && s.journal.health !== 'up')
        [text, className] = [`the journal cannot be written: ${s.journal.why}`, 'bad'];
    else if (expired)
        [text, className] = ['the certificate has expired', 'bad'];
    else if (unhealthy.length)
        [text, className] = [unhealthy.map(([name, x]) => `${name} is ${x.health}`).join(', '),
            unhealthy.some(([, x]) => x.health === 'down') ? 'bad' : 'warn'];
    else if (s.keep && s.keep.health !== 'up')
        [text, className] = [s.keep.why, 'warn'];
    element('verdict').textContent = text;
    element('verdict').className = className;
    document.title = className === 'good' ? 'fleetroute' : `⚠ ${text} – fleetroute`;
}

async function refresh() {
    clearTimeout(timer);
    try {
        const find = encodeURIComponent(element('find').value.trim());
        const [status, list] = await Promise.all([read('status'), read(`vehicles?limit=${VEHICLES_MAX}&find=${find}`)]);
        const seconds = previous ? (status.now_ms - previous.status.now_ms) / 1000 : 0;
        renderVerdict(status);
        renderFacts(status, seconds);
        element('sinks').replaceChildren(...Object.entries(status.sinks)
            .map(([name, sink]) => renderSink(name, sink, status, seconds)));
        element('sources_section').hidden = Object.keys(status.sources).length === 0;
        element('sources').replaceChildren(...Object.entries(status.sources)
            .map(([name, source]) => renderSource(name, source)));
        renderVehicles(status, list, seconds);
        element('version').textContent = `fleetrouted ${status.version}`;
        element('all').hidden = false;
        element('login').hidden = true;
        previous = { status, records: Object.fromEntries(list.vehicles.map((v) => [v.vin, v.records])) };
    } catch (error) {
        const tokenRequired = error.message === 'token';
        element('login').hidden = !tokenRequired;
        element('all').hidden = tokenRequired || element('all').hidden;
        element('verdict').textContent = tokenRequired ? 'a token is required' : 'fleetrouted does not answer';
        element('verdict').className = tokenRequired ? 'warn' : 'bad';
        previous = null;
    }
    if (!document.hidden) timer = setTimeout(refresh, INTERVAL_MS);
}

// Exchange the token for the cookie of a session, which scripts cannot read.
async function logIn() {
    let message = 'fleetrouted does not answer';
    try {
        const answer = await fetch('api/login', {
            method: 'POST',
            headers: { 'Content-Type': 'application/json', 'X-Fleetroute': '1' },
            body: JSON.stringify({ token: element('token').value }),
        });
        element('token').value = '';
        if (answer.ok) {
            refresh();
            return;
        }
        message = (await answer.json()).message;
    } catch (error) {
        // No answer: the message is set above.
    }
    clearTimeout(timer);
    element('verdict').textContent = message;
    element('verdict').className = 'bad';
}

element('login').addEventListener('submit', (event) => {
    event.preventDefault();
    logIn();
});
element('find').addEventListener('input', refresh);
document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
refresh();
