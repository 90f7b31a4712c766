// Alerts, connections, and signals with their cost.
import { element, formatDuration, formatNumber, make, outside, poll } from './base.js';
import { makeFieldName, makeMoment } from './vehicle_format.js';
import { readHistory, tryHistory } from './vehicle_history.js';
import { cell, numberCell, renderRows, rowHead } from './vehicle_rows.js';

const INTERVAL_MS = 30000;
const POINTS = 300;
const DAY_MS = 86400000;
const NAME_MAX = 100;

/* ---- alerts ---- */

function alertCells(a) {
    const audiences = a.audiences.length ? make('div', 'quiet', `for ${a.audiences.join(', ')}`) : null;
    return [
        rowHead(a.name ? outside(a.name, NAME_MAX) : '(no name)', audiences),
        cell(a.begin === null ? '–' : makeMoment(a.begin)),
        cell(a.end === null ? make('span', 'tag warn', 'not ended') : makeMoment(a.end)),
    ];
}

async function refreshAlerts() {
    await tryHistory(element('alerts_problem'), async () => {
        const { alerts } = await readHistory('alerts', { points: POINTS });
        renderRows(element('alerts'), { caption: 'Alerts', columns: [{ title: 'Alert' }, { title: 'Begin' }, { title: 'End' }],
            items: alerts, makeCells: alertCells, empty: 'No alert is recorded.' });
    });
}

/* ---- connections ---- */

// Events of the vehicle over all its connections, each with the time until the next; if there are none, of connections.
function connectionEvents(connections) {
    const ofVehicle = connections.filter((c) => c.of === 'vehicle');
    const events = ofVehicle.length ? ofVehicle : connections;
    return events.map((c, i) => ({ ...c, lasted_ms: i === 0 ? null : events[i - 1].at - c.at, network: c.network || networkNear(c, connections) }));
}

// The network of the connection that began at about the time of an event of the vehicle; '': unknown.
function networkNear(event, connections) {
    if (!event.connected) return '';
    return connections.find((c) => c.of === 'connection' && c.connected && Math.abs(c.at - event.at) < 2000)?.network || '';
}

function connectionCells(c) {
    return [
        rowHead(makeMoment(c.at)),
        cell(make('span', `state ${c.connected ? 'good' : 'quiet'}`, c.connected ? 'connected' : 'disconnected'),
            c.network ? [' ', make('span', 'quiet', outside(c.network, NAME_MAX))] : null),
        numberCell(c.lasted_ms === null ? 'until now' : formatDuration(Math.round(c.lasted_ms / 1000) * 1000)),
    ];
}

async function refreshConnections() {
    await tryHistory(element('connections_problem'), async () => {
        const { connections } = await readHistory('connections', { points: POINTS });
        renderRows(element('connections'), { caption: 'Connections', columns: [{ title: 'At' }, { title: 'Event' }, { title: 'Lasted', className: 'n' }],
            items: connectionEvents(connections), makeCells: connectionCells, empty: 'No connection is recorded.' });
    });
}

/* ---- signals ---- */

const TIMES = [['Today', 0], ['7 days', 6], ['30 days', 29], ['400 days', 399]];

// Days are those of UTC, as the history counts.
const fromDay = (days) => Date.now() - (Date.now() % DAY_MS) - days * DAY_MS;

function dollars(n) {
    if (n === null) return '–';
    return n > 0 && n < 0.01 ? '<\u00a0$0.01' : `$${n.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

// The bar compares the field with the one that has the most signals.
function signalCells(max, f) {
    const bar = make('div', { class: 'share', 'aria-hidden': 'true' });
    bar.style.width = `${(100 * f.signals) / max}%`;
    return [rowHead(f.field === null ? 'other fields' : makeFieldName(f.field), bar), numberCell(formatNumber(f.signals)), numberCell(dollars(f.usd))];
}

function makeSum(answer) {
    const days = answer.days.filter((d) => d.signals).length;
    const perDay = days > 1 ? `, ${formatNumber(Math.round(answer.signals / days))} a day` : '';
    return make('p', 'sum', make('b', '', dollars(answer.usd)), ` for ${formatNumber(answer.signals)} signals${perDay}. `,
        make('span', 'quiet', `Tesla charges $1 for ${formatNumber(answer.signals_per_usd)}. Days are those of UTC.`));
}

async function refreshSignals() {
    await tryHistory(element('signals_problem'), async () => {
        const answer = await readHistory('signals', { from: fromDay(Number(element('signals_time').value)) });
        const items = answer.fields.sort((a, b) => b.signals - a.signals);
        element('signals_sum').replaceChildren(makeSum(answer));
        renderRows(element('signals'), { caption: 'Signals by field', columns: [{ title: 'Field' }, { title: 'Signals', className: 'n' }, { title: 'Cost', className: 'n' }],
            items, makeCells: (f) => signalCells(items[0].signals, f), empty: 'No signal is recorded in this time.' });
    });
}

export function startLists() {
    const select = element('signals_time');
    select.append(...TIMES.map(([title, days]) => make('option', { value: days }, title)));
    select.value = '29';
    poll(refreshAlerts, INTERVAL_MS);
    poll(refreshConnections, INTERVAL_MS);
    const signals = poll(refreshSignals, INTERVAL_MS);
    select.addEventListener('change', () => signals.run());
}
