// One chart of a vehicle's history with Chart.js: numbers as lines with the range between minimum and maximum, and
// states as steps. Below it, the values as a table; that is all if Chart.js is not installed.
import { formatTime, make, makeTable, seriesColor, setText } from './base.js';
import { formatFieldValue, formatMeasure, formatUnit } from './vehicle_format.js';
import { loadChart } from './vehicle_library.js';

const TABLE_ROWS = 60;
const SERIES_COLORS = 6; // --series-1 … of base.css
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3]];
const STATES_MAX = 12; // different states in a chart; the others are one
const STATE_TEXT_MAX = 18;
const TOOLTIP_PX = 40; // max distance of a value from the pointer
const HOUR_MS = 3600000;
const TICK_STEPS_MS = [300000, 600000, 900000, 1800000, HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS, 24 * HOUR_MS, 48 * HOUR_MS];
const dark = matchMedia('(prefers-color-scheme: dark)');
const plots = new Set();

const cssColor = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const shorten = (text) => (text.length > STATE_TEXT_MAX ? `${text.slice(0, STATE_TEXT_MAX - 1)}…` : text);

dark.addEventListener('change', () => { for (const plot of plots) plot.draw(); });

/* ---- the axis of time ---- */

function timeTicks(axis) {
    const max = Math.max(2, axis.width / (axis.max - axis.min > 48 * HOUR_MS ? 34 : 62));
    const step = TICK_STEPS_MS.find((s) => (axis.max - axis.min) / s <= max) || TICK_STEPS_MS.at(-1);
    const offset = new Date(axis.max).getTimezoneOffset() * 60000;
    const ticks = [];
    for (let t = Math.ceil((axis.min - offset) / step) * step + offset; t <= axis.max; t += step) ticks.push({ value: t });
    return ticks;
}

function tickText(ms, span) {
    return span > 48 * HOUR_MS ? new Date(ms).toLocaleDateString('en-GB', { weekday: 'short' }) : formatTime(ms, 'minute');
}

/* ---- data ---- */

// The states of a series as numbers, so that the axis is linear: the index of the text in `labels`.
function stateAxis(series) {
    const texts = [...new Set(series.v.filter((v) => v !== null).map((v) => shorten(formatFieldValue(v))))].sort();
    const labels = texts.slice(0, STATES_MAX);
    if (texts.length > STATES_MAX) labels[STATES_MAX - 1] = 'other';
    return { labels, indexOf: (v) => { const i = labels.indexOf(shorten(formatFieldValue(v))); return i < 0 ? labels.length - 1 : i; } };
}

// The times of states; the first begins before the range, and the last is valid until its end.
function statePoints(series, axis, from, to) {
    const points = series.t.map((t, i) => ({ x: Math.max(t, from), y: series.v[i] === null ? NaN : axis.indexOf(series.v[i]) }));
    if (points.length) points.push({ x: to, y: points.at(-1).y });
    return points;
}

const numberPoints = (series, column) => series.t.map((t, i) => ({ x: t, y: series[column][i] }));
const hasBand = (series) => series.avg.some((n, i) => series.min[i] !== n || series.max[i] !== n);

/* ---- datasets ---- */

function lineDataset(series, i, points, gapMs) {
    const isGap = (ctx) => ctx.p1.parsed.x - ctx.p0.parsed.x > gapMs;
    const isAlone = (at) => (points[at].x - (points[at - 1]?.x ?? -Infinity) > gapMs) && ((points[at + 1]?.x ?? Infinity) - points[at].x > gapMs);
    return {
        label: series.name, series, data: points, borderColor: seriesColor(i), backgroundColor: seriesColor(i), borderWidth: 1.5, clip: 6,
        borderDash: DASHES[i % DASHES.length], pointHoverRadius: 3, pointRadius: (ctx) => (points[ctx.dataIndex] && isAlone(ctx.dataIndex) ? 2 : 0),
        segment: {
            borderDash: (ctx) => (isGap(ctx) ? [1, 4] : undefined),
            borderColor: (ctx) => (isGap(ctx) ? `${seriesColor(i)}99` : undefined),
        },
    };
}

// Two datasets: the minimum without a line, and the maximum with the area down to it.
function bandDatasets(series, i, gapMs) {
    const plain = { isBand: true, borderWidth: 0, pointRadius: 0, pointHoverRadius: 0 };
    const fill = `${seriesColor(i)}2e`;
    return [
        { ...plain, label: '', data: numberPoints(series, 'min') },
        { ...plain, label: '', data: numberPoints(series, 'max'), fill: '-1', backgroundColor: fill,
            segment: { backgroundColor: (ctx) => (ctx.p1.parsed.x - ctx.p0.parsed.x > gapMs ? 'transparent' : undefined) } },
    ];
}

function numberDatasets(list, gapMs) {
    return [...list.flatMap((s, i) => (hasBand(s) ? bandDatasets(s, i, gapMs) : [])),
        ...list.map((s, i) => lineDataset(s, i, numberPoints(s, 'avg'), gapMs))];
}

function stateDatasets(series, axis, from, to) {
    return [{ ...lineDataset(series, 0, statePoints(series, axis, from, to), Infinity), stepped: true, pointRadius: 0, segment: undefined }];
}

/* ---- texts ---- */

const isState = (series) => series.kind === 'states';

export function lastText(series) {
    const last = isState(series) ? series.v.at(-1) : series.avg.length ? series.last?.at(-1) ?? series.avg.at(-1) : null;
    return last === null || last === undefined ? '–' : formatFieldValue(last) + formatUnit(series.unit);
}

function pointText(series, i) {
    if (isState(series)) return formatFieldValue(series.v[Math.min(i, series.v.length - 1)]);
    const range = series.min[i] !== series.max[i] ? ` (${formatMeasure(series.min[i])} to ${formatMeasure(series.max[i])})` : '';
    return formatMeasure(series.avg[i]) + formatUnit(series.unit) + range;
}

function summaryOf(series) {
    if (!series.t.length) return `${series.name}: no values`;
    if (isState(series)) return `${series.name}: ${lastText(series)} at the end, ${series.t.length - 1} changes`;
    const reduce = (list, pick) => list.reduce((a, b) => pick(a, b));
    return `${series.name}: ${lastText(series)} at the end, from ${formatMeasure(reduce(series.min, Math.min))} to ` +
        `${formatMeasure(reduce(series.max, Math.max))}${formatUnit(series.unit)}`;
}

function tableRows(list) {
    const times = [...new Set(list.flatMap((s) => s.t))].sort((a, b) => b - a);
    const rows = list.map((s) => new Map(s.t.map((t, i) => [t, i])));
    const step = Math.max(1, Math.ceil(times.length / TABLE_ROWS));
    return times.filter((_, i) => i % step === 0).map((t) => make('tr', '', make('th', { scope: 'row' }, formatTime(t)),
        list.map((s, i) => make('td', 'n', make('bdi', '', rows[i].has(t) ? pointText(s, rows[i].get(t)) : '')))));
}

/* ---- Chart.js ---- */

// For the tooltip: of each line the value that is nearest in time. Each line has its own times.
function addInteraction(Chart) {
    Chart.Interaction.modes.eachNearest = (chart, event) => chart.getSortedVisibleDatasetMetas().flatMap((meta) => {
        const dataset = chart.data.datasets[meta.index];
        let best = null;
        if (dataset.isBand) return [];
        meta.data.forEach((element, index) => {
            const distance = Math.abs(element.x - event.x);
            if (!Number.isNaN(element.y) && distance < (best?.distance ?? TOOLTIP_PX)) best = { element, index, datasetIndex: meta.index, distance };
        });
        return best ? [best] : [];
    });
}

function yScale(settings, axis) {
    const shared = { grid: { color: cssColor('--line'), drawBorder: false } };
    const ticks = { color: cssColor('--quiet'), font: { family: 'system-ui, sans-serif', size: 11 }, maxTicksLimit: 5 };
    if (axis)
        return { ...shared, min: -0.3, max: axis.labels.length - 0.7, ticks: { ...ticks, maxTicksLimit: STATES_MAX, autoSkip: false, callback: (i) => axis.labels[i] ?? '' },
            afterBuildTicks: (scale) => { scale.ticks = axis.labels.map((_, value) => ({ value })); } };
    return { ...shared, beginAtZero: settings.zero === true, min: settings.min, max: settings.max, grace: settings.max === undefined ? '8%' : 0,
        ticks: { ...ticks, callback: (n) => formatMeasure(n) } };
}

function chartOptions(plot, axis) {
    return {
        animation: false, maintainAspectRatio: false, parsing: false, normalized: true, layout: { padding: 0 },
        interaction: { mode: 'eachNearest', intersect: false },
        scales: {
            x: {
                type: 'linear', min: plot.from, max: plot.to, afterBuildTicks: (scale) => { scale.ticks = timeTicks(scale); },
                grid: { color: cssColor('--line'), drawBorder: false, drawOnChartArea: false },
                ticks: { color: cssColor('--quiet'), font: { family: 'system-ui, sans-serif', size: 11 }, maxRotation: 0, callback: (ms) => tickText(ms, plot.to - plot.from) },
            },
            y: yScale(plot.settings, axis),
        },
        plugins: {
            legend: { display: false }, decimation: { enabled: false },
            tooltip: { callbacks: {
                title: (items) => (items.length ? formatTime(items[0].parsed.x) : ''),
                label: (item) => `${item.dataset.label}: ${pointText(item.dataset.series, item.dataIndex)}`,
            } },
        },
    };
}

/* ---- the plot ---- */

function makeLegend(list, title) {
    return list.map((s, i) => make('span', '', isState(s) || list.length === 1 ? null
        : make('span', `swatch series-${(i % SERIES_COLORS) + 1}${i % DASHES.length ? ' dashed' : ''}`), s.name === title ? '' : make('bdi', '', s.name), ' ', make('b', '', make('bdi', '', lastText(s)))));
}

// Settings: title, zero (the axis has 0), min, max, onremove (there is a button). Returns {node, set(answer), fail(text),
// destroy()}; answer: {series: [as the history answers, with name], from, to, gapMs}.
export function makePlot(settings) {
    const plot = { settings, series: [], from: 0, to: 1, gapMs: Infinity, draw };
    const canvas = make('canvas', { role: 'img' });
    const box = make('div', { class: 'plot', hidden: true }, canvas);
    const legend = make('span', 'legend');
    const note = make('p', { class: 'quiet', hidden: true });
    const body = make('div', '');
    const details = make('details', { ontoggle: renderTable }, make('summary', '', 'Table', make('span', 'hidden-text', ` of ${settings.title}`)), body);
    const remove = settings.onremove && make('button', { type: 'button', class: 'plain remove', 'aria-label': `Remove the chart ${settings.title}`, onclick: settings.onremove }, '✕');
    const node = make('figure', 'chart', make('figcaption', '', make('h3', '', settings.title), legend, remove), box, note, details);
    let drawn = null;
    let Chart = null;

    function renderTable() {
        if (!details.open) return;
        body.replaceChildren(makeTable(`Values: ${settings.title}`,
            [{ title: 'Time' }, ...plot.series.map((s) => ({ title: s.name, className: 'n' }))], ...tableRows(plot.series)));
    }
    function draw() {
        const state = plot.series.find(isState);
        const axis = state && stateAxis(state);
        if (!Chart || box.hidden || !node.isConnected) return;
        const data = { datasets: state ? stateDatasets(state, axis, plot.from, plot.to) : numberDatasets(plot.series, plot.gapMs) };
        const options = chartOptions(plot, axis);
        if (drawn) {
            Object.assign(drawn, { data, options });
            drawn.update('none');
        } else {
            drawn = new Chart(canvas, { type: 'line', data, options });
        }
    }
    async function set({ series, from, to, gapMs }) {
        const isEmpty = !series.some((s) => s.t.length);
        Object.assign(plot, { series, from, to, gapMs });
        legend.replaceChildren(...(isEmpty ? [] : makeLegend(series, settings.title)));
        canvas.setAttribute('aria-label', `${settings.title}. ${series.map(summaryOf).join('; ')}`);
        details.hidden = isEmpty;
        note.hidden = !isEmpty;
        setText(note, 'No values in this time.');
        renderTable();
        Chart = await loadChart();
        if (Chart && !Chart.Interaction.modes.eachNearest) addInteraction(Chart);
        box.hidden = !Chart || isEmpty;
        draw();
    }
    function fail(text) {
        box.hidden = details.hidden = true;
        note.hidden = false;
        setText(note, text);
    }
    function destroy() {
        plots.delete(plot);
        if (drawn) drawn.destroy();
        node.remove();
    }
    plots.add(plot);
    return { node, set, fail, destroy };
}
