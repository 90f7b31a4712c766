// Drives and charges: begin, end, distance, energy and battery.
import { element, formatDuration, make, poll } from './base.js';
import { formatMeasure, formatSpan } from './vehicle_format.js';
import { readHistory, tryHistory } from './vehicle_history.js';
import { numberCell, renderRows, rowHead } from './vehicle_rows.js';

const INTERVAL_MS = 30000;
const POINTS = 200;
const COLUMNS = [{ title: 'Session' }, { title: 'Distance', className: 'n' }, { title: 'Energy', className: 'n' }, { title: 'Battery', className: 'n' }];

const withUnit = (n, unit) => (n === null || n === undefined ? '–' : `${formatMeasure(n)}\u00a0${unit}`);
const percent = (n) => (n === null ? '–' : String(Math.round(n)));

// Two lines in a cell: a number, and in small letters what belongs to it.
const twoLines = (text, more) => numberCell(text, more ? make('div', 'quiet', more) : null);

function distanceCell(s) {
    if (s.kind !== 'drive') return twoLines('', '');
    return twoLines(withUnit(s.distance_mi, 'mi'), s.max_speed_mph === null ? '' : `≤\u00a0${Math.round(s.max_speed_mph)}\u00a0mph`);
}

function energyCell(s) {
    if (s.kind === 'drive') return twoLines(withUnit(s.energy_kwh, 'kWh'), '');
    const power = s.max_power_kw === null ? '' : `≤\u00a0${formatMeasure(s.max_power_kw)}\u00a0kW`;
    const grid = s.charger_energy_kwh === null ? '' : `${withUnit(s.charger_energy_kwh, 'kWh')} from grid`;
    return twoLines(withUnit(s.energy_kwh, 'kWh'), [grid, power].filter(Boolean).join(', '));
}

function makeCells(s) {
    const kind = s.kind === 'drive' ? 'Drive' : s.dc ? 'Charge, DC' : 'Charge, AC';
    const length = formatDuration(Math.round((s.end - s.begin) / 1000) * 1000);
    return [
        rowHead(make('b', '', kind), ` ${length}`, s.open ? ' ' : '', s.open ? make('span', 'tag info', 'in progress') : null,
            make('div', 'quiet', formatSpan(s.begin, s.end))),
        distanceCell(s),
        energyCell(s),
        numberCell(`${percent(s.soc_begin)}\u00a0→\u00a0${percent(s.soc_end)}\u00a0%`),
    ];
}

async function refresh() {
    const container = element('sessions');
    await tryHistory(element('sessions_problem'), async () => {
        const { sessions } = await readHistory('sessions', { points: POINTS });
        renderRows(container, { caption: 'Drives and charges', columns: COLUMNS, items: sessions, makeCells,
            empty: 'No drive or charge is recorded yet.' });
    });
}

export function startSessions() {
    poll(refresh, INTERVAL_MS);
}
