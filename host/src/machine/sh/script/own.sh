# The folder of an installation of berth.

# Goes to the folder of the installation $1, which is made where it is missing.
berth_own() {
    umask 077
    case ${XDG_STATE_HOME-} in
    /*) berth_path=$XDG_STATE_HOME/berth/$1 ;;
    *) berth_path=$berth_home/.local/state/berth/$1 ;;
    esac
    mkdir -p "$berth_path/conf" "$berth_path/sockets" && cd -P "$berth_path" || berth_refuse no-place
    berth_is=$(id -u)
    for berth_name in . conf sockets; do
        set -f
        set -- $(ls -ldn "$berth_name")
        set +f
        case $1:$3 in
        d???------*:"$berth_is") ;;
        *) berth_refuse open-place ;;
        esac
    done
}

berth_tell_own() {
    printf %s "$PWD"
}

# Writes standard input as the file $1.
berth_keep() {
    cat >"conf/.$1.$$" && mv -f "conf/.$1.$$" "conf/$1" || berth_refuse no-room
}
