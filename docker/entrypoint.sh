#!/bin/sh
# What a container runs: shapelens web | worker QUEUES | beat | migrate | healthy web|worker | any command
set -eu

case "${1:-}" in
web)
  exec gunicorn webapp.wsgi:application --config python:webapp.gunicorn
  ;;
worker)
  queues=${2:?say which queues: search, import,index or housekeeping}
  pool="--pool solo"
  # a child of its own, which loads the network once and is replaced when it has grown; see webapp/supervisord.conf
  [ "$queues" = search ] && pool="--pool prefork --concurrency ${SEARCH_CHILDREN:-1} --max-memory-per-child 3000000"
  # shellcheck disable=SC2086  # several words on purpose
  exec celery -A webapp --quiet worker -Q "$queues" $pool --hostname "${queues%%,*}@%h" \
    --loglevel WARNING --without-gossip --without-mingle
  ;;
beat)
  exec celery -A webapp --quiet beat --loglevel WARNING --schedule "${BEAT_SCHEDULE:-/tmp/beat}"
  ;;
migrate)
  exec python manage.py migrate --noinput
  ;;
healthy)
  if [ "${2:-web}" = web ]; then
    exec python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:${PORT:-8000}/health/live', timeout=4)"
  fi
  exec python manage.py worker_alive
  ;;
*)
  exec "$@"
  ;;
esac
