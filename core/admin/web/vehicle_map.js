// The map of the last drive and of the position now, with Leaflet. Tiles only if /api/session names their server.
import { element, formatCount, make, poll, session, sessionRead, setText } from './base.js';
import { formatAgeOf, formatDegrees, formatMeasure, formatSpan, isPosition, makeMoment } from './vehicle_format.js';
import { readHistory, tryHistory } from './vehicle_history.js';
import { loadLeaflet, missingPackage } from './vehicle_library.js';

const CHECK_MS = 10000;
const QUIET_MS = 60000; // between requests without a drive in progress
const POINTS = 1000;
const POSITION_ZOOM = 15;
const MAX_ZOOM = 19;
const PADDING_TOP_LEFT = [48, 24]; // px; the buttons are at the left, the scale is at the bottom
const PADDING_BOTTOM_RIGHT = [24, 44];

let L = null;
let map = null;
let layers = null; // {track, start, position}
let track = null; // the last answer
let position = null;
let drawnTrack = null;
let fitted = null; // the begin of the drive to which the view was fitted
let isMoved = false; // by the reader
let dueMs = 0;

/* ---- Leaflet ---- */

// Lines in place of tiles, so that moving and zooming is visible.
function makeGrid() {
    const Grid = L.GridLayer.extend({ createTile: () => make('div', 'map-grid') });
    return new Grid({ maxZoom: MAX_ZOOM });
}

function hostOf(url) {
    const host = (url.split('://')[1] || '').split('/')[0];
    return host.endsWith('.openstreetmap.org') ? '© OpenStreetMap contributors' : `Map: ${host}`;
}

function addTiles() {
    if (!session.map_tiles) {
        makeGrid().addTo(map);
        setText(element('map_source'), 'North is up. No map: the setting map_tiles of fleetrouted names no tile server.');
        return;
    }
    L.tileLayer(session.map_tiles, { maxZoom: MAX_ZOOM }).addTo(map);
    setText(element('map_source'), hostOf(session.map_tiles));
}

function makeMap() {
    const isTouch = matchMedia('(pointer: coarse)').matches;
    // One finger scrolls the page, and the wheel does, too: two fingers, the buttons and the keys change the map.
    map = L.map(element('map'), { attributionControl: false, scrollWheelZoom: false, dragging: !isTouch, zoomSnap: 0.5,
        fadeAnimation: false, zoomAnimation: false, markerZoomAnimation: false, inertia: false });
    L.control.scale({ maxWidth: 120 }).addTo(map);
    addTiles();
    const line = (className, weight) => L.polyline([], { className, weight, interactive: false });
    const circle = (className, radius) => L.circleMarker([0, 0], { className, radius, interactive: false });
    if (session.home_zone) {
        const { latitude, longitude, radius } = session.home_zone;
        L.circle([latitude, longitude], { className: 'home-zone', radius, interactive: false }).addTo(map);
    }
    layers = { edge: line('track-edge', 6), track: line('track', 3), start: circle('track-start', 5), position: circle('position', 8) };
    map.on('dragstart', () => { isMoved = true; });
    element('map').addEventListener('keydown', () => { isMoved = true; });
    element('map').addEventListener('mousedown', () => { isMoved = true; });
}

// Show or hide a layer of the map.
function setPresent(layer, isPresent) {
    if (isPresent && !map.hasLayer(layer)) layer.addTo(map);
    if (!isPresent) layer.remove();
}

function drawTrack(points) {
    const isLine = points.length > 1;
    if (drawnTrack === track) return;
    drawnTrack = track;
    for (const line of [layers.edge, layers.track]) {
        line.setLatLngs(points);
        setPresent(line, isLine);
    }
    if (isLine) layers.start.setLatLng(points[0]);
    setPresent(layers.start, isLine);
}

function drawPosition() {
    if (position) layers.position.setLatLng([position.latitude, position.longitude]);
    setPresent(layers.position, position !== null);
    if (position) layers.position.bringToFront();
}

// Fit the view to a new drive, and to a position outside the view, unless the reader has moved the map.
function fit(points) {
    const key = `${track?.drive?.begin ?? ''}`;
    const isNew = key !== fitted;
    if (!isNew && (isMoved || points.every((p) => map.getBounds().contains(p)))) return;
    fitted = key;
    isMoved = false;
    if (points.length === 1) map.setView(points[0], POSITION_ZOOM);
    else map.fitBounds(L.latLngBounds(points), { paddingTopLeft: PADDING_TOP_LEFT, paddingBottomRight: PADDING_BOTTOM_RIGHT, maxZoom: MAX_ZOOM - 2 });
}

const trackPoints = () => (track ? track.lat.map((lat, i) => [lat, track.lon[i]]) : []);

function draw() {
    const points = trackPoints();
    const all = position ? [...points, [position.latitude, position.longitude]] : points;
    const box = element('map');
    box.hidden = all.length === 0 || L === null;
    if (box.offsetWidth === 0) return; // also while the log-in form is displayed
    if (map === null) makeMap();
    map.invalidateSize({ pan: false });
    fit(all);
    drawTrack(points);
    drawPosition();
}

/* ---- texts ---- */

function renderDrive() {
    const drive = track?.drive;
    if (!drive) {
        setText(element('map_drive'), track ? 'No drive is recorded.' : '');
        return;
    }
    const facts = [`${drive.open ? 'Drive in progress' : 'Drive'} ${formatSpan(drive.begin, drive.end)}`];
    if (drive.distance_mi !== null) facts.push(`${formatMeasure(drive.distance_mi)} mi`);
    facts.push(formatCount(track.lat.length, 'point'));
    setText(element('map_drive'), facts.join(' · '));
}

// The position as text: the map says nothing to a screen reader.
function renderPosition(value, extraMs) {
    const node = element('map_position');
    if (!position) {
        setText(node, value?.invalid ? 'Position: the vehicle reports that it has none.' : 'Position: none is known.');
        return;
    }
    const time = value.created_ms || value.received_ms;
    const age = `, ${formatAgeOf(value.age_ms + extraMs)}${value.age_ms + extraMs < 1000 ? '' : ' ago'}`;
    const text = `${formatDegrees(position.latitude)}, ${formatDegrees(position.longitude)}`;
    if (node.dataset.key !== `${text} ${time}`) {
        node.dataset.key = `${text} ${time}`;
        node.replaceChildren('Position: ', make('b', '', text), ' at ', makeMoment(time), make('span', 'quiet'));
    }
    setText(node.lastChild, age);
}

/* ---- requests ---- */

async function refresh() {
    if (Date.now() < dueMs) return;
    await tryHistory(element('map_drive'), async () => {
        track = await readHistory('track', { points: POINTS });
        renderDrive();
    });
    if (track) renderDrive();
    dueMs = Date.now() + (track?.drive?.open ? 0 : QUIET_MS);
    draw();
}

export async function startMap() {
    element('map').hidden = true;
    poll(refresh, CHECK_MS);
    await sessionRead;
    L = await loadLeaflet();
    if (L === null) setText(element('map_problem'), missingPackage('No map', 'libjs-leaflet'));
    element('map').setAttribute('role', 'group');
    element('map').setAttribute('aria-label', 'Map of the last drive and the position; the text below has the position');
    draw();
}

const isOnEarth = (value) => isPosition(value) && Math.abs(value.latitude) <= 85 && Math.abs(value.longitude) <= 180;

export function updateMap(values, extraMs) {
    const value = values.Location;
    position = value && isOnEarth(value.value) ? value.value : null;
    renderPosition(value, extraMs);
    if (L !== null) draw();
}
