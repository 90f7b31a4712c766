'use strict';

const EVERY_MS = 2000;
const VEHICLES = 1000;
const OVERDUE_MS = 2000; // a delivery that is due for longer is shown
const place = (id) => document.getElementById(id);
let before = null; // what was read last, for rates
let timer = null;

function make(tag, className, ...children) {
    const node = document.createElement(tag);
    node.className = className;
    node.append(...children);
    return node;
}

const count = (n) => n.toLocaleString('en');

function bytes(n) {
    for (const unit of ['B', 'kB', 'MB', 'GB']) {
        if (n < 1000 || unit === 'GB') return `${n < 10 && unit !== 'B' ? n.toFixed(1) : Math.round(n)} ${unit}`;
        n /= 1000;
    }
}

function span(ms) {
    const s = Math.max(0, Math.round(ms / 1000));
    if (s < 120) return `${s} s`;
    if (s < 7200) return `${Math.round(s / 60)} min`;
    if (s < 172800) return `${Math.round(s / 3600)} h`;
    return `${Math.round(s / 86400)} d`;
}

const ago = (now, then) => (then ? `${span(now - then)} ago` : 'not yet');

// How much a number grew in a second since it was last read.
function rate(now, old, seconds) {
    return old === undefined || now < old || !(seconds > 0) ? null : (now - old) / seconds;
}

function showRate(value) {
    if (value === null) return '…';
    return value === 0 || value >= 10 ? count(Math.round(value)) : value.toFixed(1);
}

function fact(name, value, className = '') {
    return make('div', 'fact', make('b', className, value), make('span', '', name));
}

async function read(path) {
    const token = sessionStorage.getItem('token');
    const answer = await fetch(path, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
    if (answer.status === 401) throw new Error('token');
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
}

function delayAt(delays, part) {
    const classes = Object.entries(delays);
    const total = classes.reduce((sum, [, n]) => sum + n, 0);
    let sum = 0;
    for (const [bound, n] of classes) {
        sum += n;
        if (total && sum >= total * part) return bound === 'more' ? 'over 60 s' : `under ${bound} ms`;
    }
    return null;
}

function showFacts(s, seconds) {
    const left = Math.floor((s.certificate_expires * 1000 - s.now_ms) / 86400000);
    const old = before ? before.status.counters : {};
    const facts = [
        fact('vehicles here', count(s.vehicles_here)),
        fact('records a second', showRate(rate(s.counters.records, old.records, seconds))),
        fact('acknowledged', count(s.counters.acknowledged)),
        fact('refused', count(s.counters.error_replies), s.counters.error_replies ? 'warn' : ''),
        fact('certificate', left < 0 ? 'expired' : `${left} days`, left < 3 ? 'bad' : left < 14 ? 'warn' : ''),
        fact('running for', span(s.uptime_ms)),
        fact('memory', bytes(s.resident_kb * 1024)),
    ];
    if (s.journal) {
        facts.splice(4, 0,
            fact(`journal of ${bytes(s.journal.size)}`, bytes(s.journal.record_bytes), s.journal.health === 'up' ? '' : 'bad'),
            fact('oldest record', s.journal.records ? span(s.now_ms - s.journal.oldest_ms) : 'none'));
    }
    place('facts').replaceChildren(...facts);
}

function showSink(name, sink, s, seconds) {
    const old = before ? before.status.sinks[name] : undefined;
    const behind = sink.behind === undefined ? sink.unfinished : sink.behind;
    const lost = [['deleted undelivered', sink.deleted_undelivered], ['dropped', sink.dropped], ['refused', sink.refused], ['set aside', sink.dead_letters]]
        .filter(([, n]) => n).map(([what, n]) => `${count(n)} ${what}`);
    const delay = delayAt(sink.delay_ms, 0.99);
    const className = sink.health === 'up' ? 'good' : sink.health === 'down' ? 'bad' : 'warn';
    const card = make('div', `sink ${sink.health}`,
        make('strong', '', name), ' ', make('span', 'quiet', sink.plugin), ' ',
        make('span', className, sink.health),
        make('p', '', `${count(behind)} behind · ${count(sink.delivered)} delivered · ` +
            `${showRate(rate(sink.delivered, old && old.delivered, seconds))} a second` +
            (delay ? ` · 99\u00a0% delivered ${delay} after due` : '')));
    if (sink.overdue_ms > OVERDUE_MS)
        card.append(make('p', 'warn', `the oldest delivery has been due for ${span(sink.overdue_ms)}`));
    if (lost.length) card.append(make('p', 'warn', lost.join(' · ')));
    if (sink.why) card.append(make('p', sink.health === 'up' ? 'quiet' : className, sink.why));
    if (sink.health === 'up' && sink.last_error)
        card.append(make('p', 'quiet', `${ago(s.now_ms, sink.last_error_ms)}: ${sink.last_error}`));
    return card;
}

function showSource(name, source) {
    const card = make('div', `sink ${source.health}`,
        make('strong', '', name), ' ', make('span', 'quiet', source.plugin), ' ',
        make('span', source.health === 'up' ? 'good' : 'bad', source.health),
        make('p', '', `${count(source.stored)} stored · ${count(source.left_out)} left out`));
    if (source.why) card.append(make('p', 'quiet', source.why));
    return card;
}

function showVehicles(s, list, seconds) {
    const old = before ? before.records : {};
    place('vehicles').replaceChildren(...list.vehicles.map((v) => make('tr', '',
        make('td', '', v.vin),
        make('td', v.here ? 'good' : 'quiet', v.here ? (v.connections > 1 ? `here, ${v.connections} connections` : 'here') : 'away'),
        make('td', '', ago(s.now_ms, v.last_ms)),
        make('td', 'n', count(v.records)),
        make('td', 'n', showRate(rate(v.records, old[v.vin], seconds))))));
    place('vehicle_count').textContent = `${count(s.vehicles_here)} here, ${count(s.vehicles_known)} known`;
    place('more').textContent = list.found > list.vehicles.length
        ? `${count(list.found - list.vehicles.length)} more; search for one`
        : list.found ? '' : place('find').value ? 'no such vehicle' : 'no vehicle has connected yet';
}

function showVerdict(s) {
    const ill = Object.entries({ ...s.sinks, ...s.sources }).filter(([, x]) => x.health !== 'up');
    const expired = s.certificate_expires * 1000 < s.now_ms;
    let [text, className] = ['all is well', 'good'];
    if (s.journal && s.journal.health !== 'up')
        [text, className] = [`the journal cannot be written: ${s.journal.why}`, 'bad'];
    else if (expired)
        [text, className] = ['the certificate has expired', 'bad'];
    else if (ill.length)
        [text, className] = [ill.map(([name, x]) => `${name} is ${x.health}`).join(', '),
            ill.some(([, x]) => x.health === 'down') ? 'bad' : 'warn'];
    place('verdict').textContent = text;
    place('verdict').className = className;
    document.title = className === 'good' ? 'fleetroute' : `⚠ ${text} – fleetroute`;
}

async function show() {
    clearTimeout(timer);
    try {
        const find = encodeURIComponent(place('find').value.trim());
        const [status, list] = await Promise.all([read('status'), read(`vehicles?limit=${VEHICLES}&find=${find}`)]);
        const seconds = before ? (status.now_ms - before.status.now_ms) / 1000 : 0;
        showVerdict(status);
        showFacts(status, seconds);
        place('sinks').replaceChildren(...Object.entries(status.sinks)
            .map(([name, sink]) => showSink(name, sink, status, seconds)));
        place('sources_section').hidden = Object.keys(status.sources).length === 0;
        place('sources').replaceChildren(...Object.entries(status.sources)
            .map(([name, source]) => showSource(name, source)));
        showVehicles(status, list, seconds);
        place('version').textContent = `fleetrouted ${status.version}`;
        place('all').hidden = false;
        place('login').hidden = true;
        before = { status, records: Object.fromEntries(list.vehicles.map((v) => [v.vin, v.records])) };
    } catch (error) {
        const locked = error.message === 'token';
        place('login').hidden = !locked;
        place('all').hidden = locked || place('all').hidden;
        place('verdict').textContent = locked ? 'a token is needed' : 'fleetrouted does not answer';
        place('verdict').className = locked ? 'warn' : 'bad';
        before = null;
    }
    if (!document.hidden) timer = setTimeout(show, EVERY_MS);
}

place('login').addEventListener('submit', (event) => {
    event.preventDefault();
    sessionStorage.setItem('token', place('token').value);
    show();
});
place('find').addEventListener('input', show);
document.addEventListener('visibilitychange', () => { if (!document.hidden) show(); });
show();
