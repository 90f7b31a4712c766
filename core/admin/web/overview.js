// The overview: health, charts of the last hour, vehicles, sinks, sources, server.
import { element, formatBytes, formatDuration, formatNumber, formatRate, get, lineChart, onSession, partly, poll, setClass, setText, startPage, withCode } from './base.js';
import { reload, renderFacts, renderServer, renderSinks, renderSources } from './overview_parts.js';
import { refreshVehicles, startVehicles, vehiclesInterval } from './overview_vehicles.js';

const STATUS_MS = 2000;
const OVERVIEW_MS = 10000; // a step of the series
const LEVELS = { ok: 'good', warning: 'warn', failure: 'bad' };
const HOUR_MS = 3600000;
const MIN_RANGE_MS = 300000;

let status = null;
let previous = null; // the status before, from which rates are computed
let overview = null;
let charts = null;
let healthWords = '';

/* ---- health ---- */

function renderHealth() {
    const health = overview?.health;
    const level = health ? LEVELS[health.level] || 'warn' : 'quiet';
    const text = health ? health.sentence : 'The health is not known: the daemon does not answer /api/overview.';
    setText(element('verdict'), text);
    setClass(element('health'), `card health ${level}`);
    if (element('remedy').textContent !== (health?.remedy || '').replaceAll('`', '')) element('remedy').replaceChildren(...withCode(health?.remedy));
    element('remedy').hidden = !health?.remedy;
    document.title = level === 'good' || level === 'quiet' ? 'fleetroute' : `⚠ ${text} – fleetroute`;
}

// The growth of a counter per second; null: unknown, as after a restart of the daemon.
function rate(now, old) {
    const seconds = previous ? (status.now_ms - previous.now_ms) / 1000 : 0;
    return old === undefined || now < old || !(seconds > 0) ? null : (now - old) / seconds;
}

const lastOf = (values) => (values || []).findLast((v) => v !== null);

function renderStatusFacts() {
    const counters = status.counters;
    const old = previous ? previous.counters : {};
    const left = status.certificate_expires * 1000 - status.now_ms;
    renderFacts(element('facts'), [
        ['vehicles connected', formatNumber(status.vehicles_connected)],
        ['records/s', formatRate(rate(counters.records, old.records))],
        ['acknowledged', formatNumber(counters.acknowledged)],
        ['ack delay, p99', formatDuration(lastOf(overview?.series.ack_p99_ms))],
        ['error replies', formatNumber(counters.error_replies), counters.error_replies ? 'warn' : ''],
        ...(status.journal ? [['in the journal', formatBytes(status.journal.record_bytes), status.journal.health === 'up' ? '' : 'bad']] : []),
        ['certificate', left > 0 ? `${formatDuration(left)} left` : 'expired', status.certificate.health === 'up' ? '' : status.certificate.health === 'down' ? 'bad' : 'warn'],
        ['uptime', formatDuration(status.uptime_ms)],
    ]);
}

/* ---- charts ---- */

function makeCharts() {
    charts = {
        records: lineChart({ title: 'Records per second', format: formatRate, min: 0, suggestedMax: 1 }),
        delay: lineChart({ title: 'Acknowledgement delay', format: formatDuration, min: 0, empty: 'No record was acknowledged in this time.' }),
        connected: lineChart({ title: 'Vehicles connected', format: (v) => formatNumber(v, 1), min: 0, suggestedMax: 1 }),
    };
    element('charts').replaceChildren(...Object.values(charts).map((chart) => chart.node));
}

function removeCharts() {
    for (const chart of Object.values(charts || {})) chart.destroy();
    charts = null;
}

function renderCharts() {
    const s = overview.series;
    const points = (values) => s.at_ms.map((at, i) => [at, values[i] ?? null]);
    const to = overview.now_ms;
    const from = Math.max(to - HOUR_MS, Math.min(s.at_ms[0] ?? to, to - MIN_RANGE_MS)); // a young daemon: since its start

    if (charts === null) makeCharts();
    charts.records.set([{ name: 'received', points: points(s.records) }, { name: 'acknowledged', points: points(s.acknowledged) }], from, to);
    charts.delay.set([{ name: 'p50', points: points(s.ack_p50_ms) }, { name: 'p99', points: points(s.ack_p99_ms) }], from, to);
    charts.connected.set([{ name: 'connected', points: points(s.connected), stepped: 'before' }], from, to);
}

/* ---- requests ---- */

const rateOfSink = (name, sink) => rate(sink.delivered, previous?.sinks[name]?.delivered);

function renderStatus() {
    renderStatusFacts();
    renderSinks(status, overview, rateOfSink);
    renderSources(status);
    renderServer(status);
    setText(element('version'), `fleetrouted ${status.version}`);
    element('all').hidden = false;
}

// The sentence about the health is requested again as soon as the health of a part changes, the first vehicle connects or
// the last one disconnects.
function healthOf(s) {
    const vehicles = `${s.vehicles_known > 0} ${s.vehicles_connected > 0},`;
    return vehicles + [s.journal, s.certificate, s.keep, ...Object.values(s.sinks), ...Object.values(s.sources)].map((p) => p?.health).join();
}

async function refreshStatus() {
    const answer = await get('status');
    previous = status;
    status = answer;
    renderStatus();
    if (healthOf(status) !== healthWords && healthWords) overviewPoller.run();
    healthWords = healthOf(status);
}

async function refreshOverview() {
    try {
        overview = await partly(element('charts'), () => get('api/overview?minutes=60'));
        if (overview) renderCharts();
        else removeCharts();
    } finally {
        renderHealth();
    }
}

startPage('Overview');
const overviewPoller = poll(refreshOverview, OVERVIEW_MS);
poll(refreshStatus, STATUS_MS);
startVehicles(poll(() => refreshVehicles(), vehiclesInterval).run);
onSession(() => { if (status) renderSinks(status, overview, rateOfSink); });
element('reload').addEventListener('click', reload);
