// The cards of sinks, sources and parts of the server, with the administrator's acts.
import { act, actAndReport, address, confirmAct, element, formatAge, formatBytes, formatCount, formatDuration, formatNumber, formatRate,
    formatTime, make, notify, outside, reconcile, session, setClass, setText, withCode } from './base.js';

const OVERDUE_MS = 2000; // an older delivery is a warning
const SVG = 'http://www.w3.org/2000/svg';
const LEVELS = { up: 'good', ok: 'good', warning: 'warn', degraded: 'warn', down: 'bad' };
const levelOf = (health) => LEVELS[health] || 'warn';

/* ---- facts ---- */

// Make <dl> have these [name, value, level] rows.
export function renderFacts(list, facts) {
    reconcile(list, facts, ([name]) => name, ([name]) => {
        const value = make('dd');
        return {
            node: make('div', '', make('dt', '', name), value),
            update([, text, level]) {
                setText(value, text);
                setClass(value, level || '');
            },
        };
    });
}

/* ---- a line of the last hour ---- */

function makeSpark(title, className) {
    const svg = document.createElementNS(SVG, 'svg');
    const line = document.createElementNS(SVG, 'polyline');
    const text = make('span', '');

    svg.setAttribute('class', `spark ${className}`);
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    svg.append(line);
    return {
        node: make('div', { hidden: true }, text, svg),
        update(values, format) {
            const numbers = (values || []).map((v) => v ?? 0);
            const max = Math.max(...numbers, 0);
            this.node.hidden = numbers.length < 2;
            svg.setAttribute('viewBox', `0 0 ${Math.max(1, numbers.length - 1)} 100`);
            line.setAttribute('points', numbers.map((v, i) => `${i},${max > 0 ? (97 - 94 * (v / max)).toFixed(1) : 97}`).join(' '));
            setText(text, `${title} · max ${format(max)}`);
        },
    };
}

/* ---- acts ---- */

async function rewind(name, status) {
    const journal = status.journal || { first: 0, next: 0 };
    const seq = await confirmAct({
        title: `Rewind ${name}`,
        text: [`The sink continues at the record of this number, so records are delivered again, or skipped. ` +
            `The journal has the records ${formatNumber(journal.first)} to ${formatNumber(journal.next - 1)}; the sink has delivered those before ${formatNumber(status.sinks[name].cursor)}.`],
        input: { label: 'Number of the record', type: 'number', value: String(journal.first), attributes: { min: String(journal.first), max: String(journal.next), step: '1' } },
        action: 'Rewind', danger: true,
    });
    if (seq !== false) await actAndReport(`api/sinks/${encodeURIComponent(name)}/rewind`, { seq: Number(seq) });
}

async function pause(name) {
    const yes = await confirmAct({
        title: `Pause ${name}`, action: 'Pause',
        text: ['Its records wait in the journal until it is resumed. When the journal is full, the oldest are deleted undelivered. A restart of the daemon ends the pause.'],
    });
    if (yes) await actAndReport(`api/sinks/${encodeURIComponent(name)}/pause`);
}

export async function reload() {
    element('reload').disabled = true;
    const outcome = await act('api/acts/reload');
    element('reload').disabled = false;
    notify(outcome.report ? `${outcome.message}\n${outcome.report}`.trim() : outcome.message, outcome.ok ? 'good' : 'bad');
}

/* ---- cards ---- */

// A card with a head, facts and texts: {node, set(plugin, level, word, facts, texts)}; texts are [text, level].
function makePart(name, ...more) {
    const small = make('span', 'quiet');
    const state = make('span', 'state');
    const facts = make('dl', 'facts');
    const texts = make('div', '');
    const node = make('li', 'card part', make('header', '', make('h3', '', outside(name)), small, state), facts, ...more, texts);

    return {
        node, texts,
        set(plugin, level, word, rows, lines) {
            node.className = `card part ${level}`;
            setText(small, plugin);
            setText(state, word);
            setClass(state, `state ${level}`);
            renderFacts(facts, rows);
            reconcile(texts, lines.filter(([text]) => text), ([text]) => text, ([text, lineLevel]) => (
                { node: make('p', lineLevel, outside(text, 1000)), update() {} }));
        },
    };
}

const lossTexts = (sink) => [['deleted undelivered', sink.deleted_undelivered], ['dropped', sink.dropped], ['refused', sink.refused]]
    .filter(([, n]) => n).map(([what, n]) => `${formatNumber(n)} ${what}`);

function sinkLines(sink, now) {
    const level = levelOf(sink.health);
    const losses = lossTexts(sink);
    return [
        [sink.why === 'healthy' ? '' : sink.why, level === 'good' ? 'quiet' : level],
        [losses.join(' · '), 'warn'],
        [sink.health === 'up' && sink.last_error ? `Last error, ${formatAge(now, sink.last_error_ms)}: ${sink.last_error}` : '', 'quiet'],
    ];
}

function makeSink({ name }) {
    const delivered = makeSpark('delivered/s', '');
    const lag = makeSpark('lag', 'lag');
    const sparks = make('div', 'sparks', delivered.node, lag.node);
    let last = null;
    const pauseButton = make('button', { type: 'button', onclick: () => pause(name) }, 'Pause');
    const resumeButton = make('button', { type: 'button', onclick: () => actAndReport(`api/sinks/${encodeURIComponent(name)}/resume`) }, 'Resume');
    const rewindButton = make('button', { type: 'button', onclick: () => rewind(name, last) }, 'Rewind …');
    const letters = make('a', { href: address(`dead-letters?sink=${encodeURIComponent(name)}`) });
    const buttons = make('div', 'buttons', pauseButton, resumeButton, rewindButton, letters);
    const part = makePart(name, sparks);

    for (const button of [pauseButton, resumeButton, rewindButton]) button.append(make('span', 'hidden-text', ` ${name}`));
    part.node.append(buttons);
    return {
        node: part.node,
        update({ sink, status, rate, series }) {
            const fromJournal = sink.lag !== undefined;
            last = status;
            part.set(sink.plugin, levelOf(sink.health), sink.paused ? 'paused' : sink.health, [
                [fromJournal ? 'lag' : 'unfinished', formatNumber(fromJournal ? sink.lag : sink.unfinished)],
                ['oldest due', sink.overdue_ms ? formatDuration(sink.overdue_ms) : 'none', sink.overdue_ms > OVERDUE_MS ? 'warn' : ''],
                ['delivered/s', formatRate(rate)],
                ['delivered', formatNumber(sink.delivered)],
                ...(sink.retrying ? [['retrying', formatNumber(sink.retrying), 'warn']] : []),
            ], sinkLines(sink, status.now_ms));
            delivered.update(series?.delivered, formatRate);
            lag.update(series?.lag, (v) => formatNumber(v));
            pauseButton.hidden = !session.acts || !fromJournal || sink.paused;
            resumeButton.hidden = !session.acts || !sink.paused;
            rewindButton.hidden = !session.acts || !fromJournal;
            letters.hidden = !sink.dead_letters;
            setText(letters, formatCount(sink.dead_letters, 'dead letter'));
            buttons.hidden = [...buttons.children].every((b) => b.hidden);
        },
    };
}

// `rateOf(name, sink)`: deliveries a second; `overview`: the last answer of /api/overview, or null.
export function renderSinks(status, overview, rateOf) {
    reconcile(element('sinks'), Object.entries(status.sinks).map(([name, sink]) => (
        { name, sink, status, rate: rateOf(name, sink), series: overview?.sinks?.[name] })), (s) => s.name, makeSink);
    element('acts_why').hidden = session.acts || !session.why;
    if (!element('acts_why').hidden) element('acts_why').replaceChildren(...withCode(`To pause, resume or rewind a sink and to reload here: ${session.why}.`));
    element('reload_row').hidden = !session.acts;
}

export function renderSources(status) {
    const sources = Object.entries(status.sources);
    element('sources_section').hidden = sources.length === 0;
    reconcile(element('sources'), sources, ([name]) => name, ([name]) => {
        const part = makePart(name);
        return {
            node: part.node,
            update: ([, s]) => part.set(s.plugin, levelOf(s.health), s.health,
                [['stored', formatNumber(s.stored)], ['skipped', formatNumber(s.skipped)]], [[s.why === 'healthy' ? '' : s.why, s.health === 'up' ? 'quiet' : levelOf(s.health)]]),
        };
    });
}

/* ---- journal, certificate and the rest ---- */

const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) : '');

function journalPart(journal, now) {
    if (!journal) return ['Journal', 'off', 'quiet', 'off', [], [['Records go to the sinks at once and are not kept.', 'quiet']]];
    return ['Journal', journal.health === 'up' ? '' : journal.state, levelOf(journal.health), journal.health, [
        ['of records', formatBytes(journal.record_bytes)],
        ['limit', formatBytes(journal.size)],
        ['records', formatNumber(journal.records)],
        ['oldest', journal.records ? formatAge(now, journal.oldest_ms) : 'none'],
    ], [[sentence(journal.why), levelOf(journal.health)]]];
}

function certificatePart(s) {
    const expires = s.certificate_expires * 1000;
    return ['Certificate', '', levelOf(s.certificate.health), s.certificate.health, [
        ['left', expires > s.now_ms ? formatDuration(expires - s.now_ms) : 'expired', s.certificate.health === 'up' ? '' : levelOf(s.certificate.health)],
        ['valid until', formatTime(expires, 'date')],
    ], [
        [s.certificate.health === 'up' ? '' : sentence(s.certificate.why), levelOf(s.certificate.health)],
        [s.deferred_certificate ? `A renewed certificate waits until ${formatCount(s.deferred_certificate.vehicles, 'vehicle')} accept it.` : '', 'warn'],
    ]];
}

function keepPart(keep, now) {
    return ['Configurations of vehicles', '', levelOf(keep.health), keep.health, [
        ['valid', `${formatNumber(keep.vehicles.valid)} of ${formatNumber(keep.vehicles.known)}`],
        ['last check', formatAge(now, keep.run_ms)],
        ['cost this month', `$${formatNumber(keep.month_usd, 2)}`, keep.over_budget ? 'warn' : ''],
        ['budget', `$${formatNumber(keep.budget_usd, 2)}`],
    ], [[sentence(keep.why), keep.health === 'up' ? 'quiet' : 'warn']]];
}

function historyPart(history) {
    return ['History', '', levelOf(history.health), history.health, [
        ['vehicles', formatNumber(history.vehicles)], ['stored', formatBytes(history.bytes)],
        ['limit', formatBytes(history.size)], ['lag', formatNumber(history.lag)],
    ], [[sentence(history.why), levelOf(history.health)]]];
}

function processPart(s) {
    return ['Process', `fleetrouted ${s.version}`, 'good', 'runs', [
        ['uptime', formatDuration(s.uptime_ms)], ['memory', formatBytes(s.resident_kb * 1024)],
        ['connections', formatNumber(s.connections)], ['port', String(s.port)],
    ], [[s.handshakes?.waiting ? `${formatCount(s.handshakes.waiting, 'handshake')} wait.` : '', 'quiet']]];
}

export function renderServer(status) {
    const now = status.now_ms;
    const parts = [journalPart(status.journal, now), certificatePart(status), ...(status.keep ? [keepPart(status.keep, now)] : []),
        ...(status.history ? [historyPart(status.history)] : []), processPart(status)];
    reconcile(element('server'), parts, ([name]) => name, ([name]) => {
        const part = makePart(name);
        return { node: part.node, update: ([, ...values]) => part.set(...values) };
    });
}
