#!/bin/sh
# Runs a single-node Apache Kafka (KRaft) for the tests, from the jars of Maven Central.
#   tests/kafka.sh start DIR [PORT [ADDRESS]]   prints "ready" when the broker responds; DIR has logs and data
#   tests/kafka.sh fetch_jars_once    only downloads the jars
#   tests/kafka.sh stop DIR           stops the broker and waits until it has ended
# Jars are downloaded once, to ${FR_KAFKA_CACHE:-$HOME/.cache/fleetroute-kafka}.
set -eu

version=${KAFKA_VERSION:-3.9.1}
cache=${FR_KAFKA_CACHE:-$HOME/.cache/fleetroute-kafka}

fetch_jars() {
    [ -e "$cache/$version/complete-2" ] && return
    mkdir -p "$cache/$version"
    cat >"$cache/$version/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>fleetroute</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId>
      <version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
    (cd "$cache/$version" &&
        mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib -DincludeScope=runtime >&2)
    touch "$cache/$version/complete-2"
}

# Several tests may start at the same time; the first one fetches.
fetch_jars_once() {
    mkdir -p "$cache"
    (flock 9 && fetch_jars) 9>"$cache/lock"
}

configure() {
    cat >"$dir/server.properties" <<PROPS
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://$address:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=PLAINTEXT://$address:$port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$dir/data
num.partitions=4
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
PROPS
    [ ! -e "$dir/more.properties" ] || cat "$dir/more.properties" >>"$dir/server.properties"
    if [ ! -e "$dir/data/meta.properties" ]; then
        id=$(java -cp "$jars" kafka.tools.StorageTool random-uuid 2>/dev/null)
        java -cp "$jars" kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" \
            >"$dir/format.log" 2>&1
    fi
}

start() {
    fetch_jars_once
    jars="$cache/$version/lib/*"
    export JAVA_TOOL_OPTIONS="-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    configure
    java -Xmx512m -cp "$jars" kafka.Kafka "$dir/server.properties" >>"$dir/kafka.log" 2>&1 &
    echo $! >"$dir/kafka.pid"
    tries=0
    until kcat -b "$address:$port" -L >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ $tries -gt 600 ] || ! kill -0 "$(cat "$dir/kafka.pid")" 2>/dev/null; then
            echo "Kafka did not start; see $dir/kafka.log" >&2
            exit 1
        fi
        sleep 0.5
    done
    echo "ready $address:$port"
}

stop() {
    pid=$(cat "$dir/kafka.pid")
    kill "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
}

[ "$1" != fetch_jars_once ] || { fetch_jars_once; exit; }
action=$1 dir=$2 port=${3:-19092} address=${4:-127.0.0.1}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
$action
